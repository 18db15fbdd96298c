"""Light along paths that begin at the camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stages.core.clevr.tracer.backend import Color, Float, Mask, UInt, drjit, mitsuba
from stages.core.clevr.tracer.body import METAL, Body, Hit, blocked, cast
from stages.core.clevr.tracer.chance import Chance
from stages.core.clevr.tracer.lamps import SUN, Beam, LampTable, any_beam, beam, sunbeam
from stages.core.clevr.tracer.shading import bounce, reflect
from stages.core.clevr.tracer.view import View, ray_through

FAINT = 1e-6  # light below this is not looked after
# Purposes of the random numbers.
PIXEL, FIRST_LAMP, LAMP, CHOICE, LOBE = 0, 1, 5, 6, 7
PURPOSES = 4  # of each vertex after the first


@dataclass(frozen=True)
class World:
    """All that rays meet."""

    body: Body
    lamps: LampTable
    view: View


def radiance(world: World, pixel: Any, chance: Chance, vertices: int, brightest: float) -> tuple[Any, Hit]:
    """Light that one path through each pixel brings, and where it first hit.

    A path has up to `vertices` vertices. Left out is light that goes from a lamp over metal alone to a first vertex
    that is no metal: caustics, which `caustics.py` finds from the lamps' side. No indirect path brings more than
    `brightest`.
    """
    ray = ray_through(world.view, pixel, chance.pair(PIXEL))
    active, weight, light = Mask(True), Color(1.0), Color(0.0)
    over_metal = Mask(True)  # only metal since the first vertex
    first: Hit | None = None
    for depth in range(vertices):
        hit = cast(world.body, ray, active, coherent=depth == 0)
        active = hit.valid
        view = -ray.d
        metal = hit.kind == METAL
        if first is None:
            first, seeks = hit, active
            for number in range(SUN + 1):
                arriving = (
                    sunbeam()
                    if number == SUN
                    else beam(world.lamps, UInt(number), chance.pair(FIRST_LAMP + number), hit.leaving())
                )
                light += _lit(world, hit, view, arriving, weight, seeks)
        else:
            over_metal &= metal
            seeks = active & ((first.kind == METAL) | ~over_metal)
            choice = chance.pair(CHOICE + PURPOSES * depth)[0]
            arriving = any_beam(world.lamps, choice, chance.pair(LAMP + PURPOSES * depth), hit.leaving())
            light += drjit.minimum(_lit(world, hit, view, arriving, weight, seeks), brightest)
        if depth + 1 < vertices:
            purpose = PURPOSES * (depth + 1)
            way, share = bounce(hit, view, chance.pair(LOBE + purpose), chance.pair(CHOICE + 2 + purpose))
            weight *= share
            active &= drjit.max(weight) > 1e-3
            ray = mitsuba.Ray3f(hit.leaving(), way)
    assert first is not None
    return light, first


def _lit(world: World, hit: Hit, view: Any, arriving: Beam, weight: Any, active: Any) -> Any:
    value = weight * reflect(hit, view, arriving.way) * arriving.irradiance
    worth = active & (drjit.max(value) > FAINT) & (drjit.dot(hit.outside, arriving.way) > 0)
    shaded = blocked(world.body, hit.leaving(), arriving.way, arriving.distance, worth)
    return drjit.select(worth & ~shaded, value, 0)


__all__ = ["Float", "World", "radiance"]
