"""Light that reaches a surface over metal, found from the lamps' side.

A camera path finds such light only by chance, as white specks. Here rays leave the lamps towards each metal object,
are mirrored by it, perhaps by another, and light the pixel in which the surface they fall on is seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.core.clevr.mitsuba_scene import SUN_IRRADIANCE
from stages.core.clevr.tracer.backend import Color, Float, Mask, UInt, Vector, drjit, gather3, mitsuba
from stages.core.clevr.tracer.body import METAL, blocked, cast
from stages.core.clevr.tracer.chance import Chance
from stages.core.clevr.tracer.lamps import SUN, on_lamp, sun_way
from stages.core.clevr.tracer.paths import World
from stages.core.clevr.tracer.shading import bounce, reflect
from stages.core.clevr.tracer.view import pixel_of

AIM, SPOT, LOBE, CHOICE = 40, 41, 42, 43  # purposes of the random numbers
MIRRORINGS = 2  # by metal, one after the other, at most
SUN_START = 20.0  # scene units away from the object


def caustics(world: World, count: int, seed: Any, pixels: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Radiance (`pixels`, 3) from `count` rays for each metal object and lamp."""
    film = [drjit.zeros(Float, pixels) for _ in range(3)]
    for number, centre, reach in world.body.metal:
        target = drjit.opaque(UInt, number)
        middle = Vector(*(drjit.opaque(Float, part) for part in centre))
        _splat(world, film, count, seed, target, middle, drjit.opaque(Float, reach))
    return np.stack([np.array(channel) for channel in film], axis=-1)


def _splat(world: World, film: list[Any], count: int, seed: Any, target: Any, middle: Any, reach: Any) -> None:
    index = drjit.arange(UInt, count * (SUN + 1))
    lamp = index // count
    chance = Chance(target * 4 + lamp, index - lamp * count, UInt(count), None, seed)
    ray, flux = _towards(world, lamp, chance, middle, reach, count)
    active: Any = Mask(True)
    for mirroring in range(MIRRORINGS + 1):
        hit = cast(world.body, ray, active)
        active = hit.valid & ((hit.owner == target) if mirroring == 0 else Mask(True))
        metal = hit.kind == METAL
        if mirroring:
            _deposit(world, film, hit, -ray.d, flux, active & ~metal)
        active = active & metal
        if mirroring < MIRRORINGS:
            way, share = bounce(
                hit, -ray.d, chance.free_pair(LOBE + 8 * mirroring), chance.free_pair(CHOICE + 8 * mirroring)
            )
            flux = flux * share
            ray = mitsuba.Ray3f(hit.leaving(), way)


def _towards(world: World, lamp: Any, chance: Chance, middle: Any, reach: Any, count: int) -> tuple[Any, Any]:
    """Rays from the lamps to a ball around the object, and the flux that each stands for."""
    aim, spot, is_sun = chance.even_pair(AIM), chance.free_pair(SPOT), lamp == SUN
    number = drjit.minimum(lamp, UInt(SUN - 1))
    start = on_lamp(world.lamps, number, spot)
    away = middle - start
    distance = drjit.norm(away)
    narrow = drjit.sqrt(drjit.maximum(1 - (reach / distance) * (reach / distance), 0))  # cosine of the cone's half
    cosine = 1 - aim[0] * (1 - narrow)
    sine = drjit.sqrt(drjit.maximum(1 - cosine * cosine, 0))
    angle = 2 * drjit.pi * aim[1]
    cone = mitsuba.Frame3f(away / distance).to_world(
        mitsuba.Vector3f(sine * drjit.cos(angle), sine * drjit.sin(angle), cosine)
    )
    slant = drjit.maximum(drjit.dot(cone, gather3(world.lamps.facing, number)), 0)
    lamp_flux = Color(gather3(world.lamps.power, number)) * (slant * 2 * drjit.pi * (1 - narrow) / count)
    way = -sun_way()
    disc = mitsuba.warp.square_to_uniform_disk(mitsuba.Point2f(*aim)) * reach
    sun_start = middle - way * SUN_START + mitsuba.Frame3f(way).to_world(mitsuba.Vector3f(disc.x, disc.y, 0))
    sun_flux = Color(SUN_IRRADIANCE) * (drjit.pi * reach * reach / count)
    ray = mitsuba.Ray3f(drjit.select(is_sun, sun_start, start), drjit.select(is_sun, way, cone))
    return ray, drjit.select(is_sun, sun_flux, lamp_flux)


def _deposit(world: World, film: list[Any], hit: Any, light: Any, flux: Any, active: Any) -> None:
    pixel, inside, view, strength = pixel_of(world.view, hit.point)
    active = active & inside & (drjit.dot(hit.outside, view) > 0) & (drjit.dot(hit.outside, light) > 0)
    # `reflect` is BRDF · cosine to the light; by reciprocity, with the two directions exchanged, to the camera.
    value = flux * reflect(hit, light, view) * strength
    distance = drjit.norm(world.view.row(0) - hit.point)
    active = active & ~blocked(world.body, hit.leaving(), view, distance * 0.9999, active)
    for channel, part in zip(film, (value.x, value.y, value.z), strict=True):
        drjit.scatter_add(channel, part, pixel, active)
