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
LEAST_WEIGHT = 1e-3  # paths that would bring less than this share of light end
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
    first = hit = cast(world.body, ray, Mask(True), coherent=True)
    light = _from_every_lamp(world, first, -ray.d, chance)
    active, weight = first.valid, Color(1.0)
    over_metal = Mask(True)  # only metal since the first vertex
    for vertex in range(1, vertices):
        purpose = PURPOSES * vertex
        way, share = bounce(hit, -ray.d, chance.pair(LOBE + purpose), chance.pair(CHOICE + 2 + purpose))
        weight = weight * share
        active = active & (drjit.max(weight) > LEAST_WEIGHT)
        ray = mitsuba.Ray3f(hit.leaving(), way)
        hit = cast(world.body, ray, active)
        active, over_metal = hit.valid, over_metal & (hit.kind == METAL)
        arriving = any_beam(world.lamps, chance.pair(CHOICE + purpose)[0], chance.pair(LAMP + purpose), hit.leaving())
        seeks = active & ((first.kind == METAL) | ~over_metal)
        light = light + drjit.minimum(_lit(world, hit, -ray.d, arriving, weight, seeks), brightest)
    return light, first


def _from_every_lamp(world: World, hit: Hit, view: Any, chance: Chance) -> Any:
    """Light straight from the sun and a point of each lamp."""
    light = Color(0.0)
    for number in range(SUN):
        arriving = beam(world.lamps, UInt(number), chance.pair(FIRST_LAMP + number), hit.leaving())
        light = light + _lit(world, hit, view, arriving, Color(1.0), hit.valid)
    return light + _lit(world, hit, view, sunbeam(), Color(1.0), hit.valid)


def _lit(world: World, hit: Hit, view: Any, arriving: Beam, weight: Any, active: Any) -> Any:
    value = weight * reflect(hit, view, arriving.way) * arriving.irradiance
    worth = active & (drjit.max(value) > FAINT) & (drjit.dot(hit.outside, arriving.way) > 0)
    shaded = blocked(world.body, hit.leaving(), arriving.way, arriving.distance, worth)
    return drjit.select(worth & ~shaded, value, 0)


__all__ = ["Float", "World", "radiance"]
