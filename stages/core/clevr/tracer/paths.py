"""Traces light along paths from the camera, and caustics along paths from the lights.

A camera path finds light that reaches a surface by way of metal only by chance, as white specks. So rays leave the
lights towards each metal object, which reflects them, perhaps to another; they light the pixel that shows where they
end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.core.clevr.mitsuba_scene import SUN_IRRADIANCE
from stages.core.clevr.tracer.backend import Color, Float, Mask, UInt, Vector, drjit, mitsuba
from stages.core.clevr.tracer.geometry import METAL, Geometry, Hit, View, camera_rays, intersect, occluded, pixel_of
from stages.core.clevr.tracer.lights import (
    SUN,
    LightSample,
    LightTable,
    point_on_light,
    sample_any_light,
    sample_light,
    sample_sun,
    sun_direction,
)
from stages.core.clevr.tracer.materials import eval_bsdf, sample_bsdf
from stages.core.clevr.tracer.sampler import Sampler

FAINT = 1e-6  # light below this is not traced further
LEAST_WEIGHT = 1e-3  # paths end if they would bring less than this share of light
# Sampler dimensions: for camera paths, with PER_VERTEX more for each vertex after the first; then for light paths.
PIXEL, FIRST_LIGHT, LIGHT, CHOICE, LOBE = 0, 1, 5, 6, 7
PER_VERTEX = 4
AIM, ORIGIN, LIGHT_LOBE, LIGHT_CHOICE = 40, 41, 42, 43
MIRRORINGS = 2  # most reflections by metal in a row
SUN_START = 20.0  # scene units away from the object


@dataclass(frozen=True)
class World:
    """Everything that rays meet."""

    geometry: Geometry
    lights: LightTable
    view: View


def radiance(world: World, pixel: Any, sampler: Sampler, vertices: int, brightest: float) -> tuple[Any, Hit]:
    """The light from one path through each pixel, and the path's first hit.

    A path has up to `vertices` vertices. It omits light that goes from a light by way of metal alone to a first vertex
    that is not metal: `caustics` finds it from the lights' side. No indirect path brings more than `brightest`.
    """
    ray = camera_rays(world.view, pixel, sampler.stratified(PIXEL))
    first = hit = intersect(world.geometry, ray, Mask(True), coherent=True)
    light = _direct_light(world, first, -ray.d, sampler)
    active, throughput = first.valid, Color(1.0)
    over_metal = Mask(True)  # only metal after the first vertex
    for depth in range(1, vertices):
        base = PER_VERTEX * depth
        lobe, choice = sampler.stratified(LOBE + base), sampler.stratified(CHOICE + 2 + base)
        direction, weight = sample_bsdf(hit, -ray.d, lobe, choice)
        throughput = throughput * weight
        active = active & (drjit.max(throughput) > LEAST_WEIGHT)
        ray = mitsuba.Ray3f(hit.spawn_point(), direction)
        hit = intersect(world.geometry, ray, active)
        active, over_metal = hit.valid, over_metal & (hit.material == METAL)
        number, point = sampler.stratified(CHOICE + base)[0], sampler.stratified(LIGHT + base)
        sample = sample_any_light(world.lights, number, point, hit.spawn_point())
        wanted = active & ((first.material == METAL) | ~over_metal)
        light = light + drjit.minimum(_reflected(world, hit, -ray.d, sample, throughput, wanted), brightest)
    return light, first


def caustics(world: World, count: int, seed: Any, pixels: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Radiance (`pixels`, 3) from `count` rays for each metal object and light."""
    film = [drjit.zeros(Float, pixels) for _ in range(3)]
    for number, center, radius in world.geometry.metal:
        target = drjit.opaque(UInt, number)
        middle = Vector(*(drjit.opaque(Float, part) for part in center))
        _trace_light_paths(world, film, count, seed, target, middle, drjit.opaque(Float, radius))
    return np.stack([np.array(channel) for channel in film], axis=-1)


def _direct_light(world: World, hit: Hit, view: Any, sampler: Sampler) -> Any:
    """Light directly from the sun and from a point of each area light."""
    light = Color(0.0)
    for number in range(SUN):
        point = sampler.stratified(FIRST_LIGHT + number)
        sample = sample_light(world.lights, UInt(number), point, hit.spawn_point())
        light = light + _reflected(world, hit, view, sample, Color(1.0), hit.valid)
    return light + _reflected(world, hit, view, sample_sun(), Color(1.0), hit.valid)


def _reflected(world: World, hit: Hit, view: Any, sample: LightSample, throughput: Any, active: Any) -> Any:
    value = throughput * eval_bsdf(hit, view, sample.direction) * sample.irradiance
    lit = active & (drjit.max(value) > FAINT) & (drjit.dot(hit.geometric_normal, sample.direction) > 0)
    shadowed = occluded(world.geometry, hit.spawn_point(), sample.direction, sample.distance, lit)
    return drjit.select(lit & ~shadowed, value, 0)


def _trace_light_paths(
    world: World, film: list[Any], count: int, seed: Any, target: Any, middle: Any, radius: Any
) -> None:
    index = drjit.arange(UInt, count * (SUN + 1))
    light = index // count
    sampler = Sampler(target * 4 + light, index - light * count, UInt(count), None, seed)
    ray, flux = _emitted(world, light, sampler, middle, radius, count)
    active: Any = Mask(True)
    for depth in range(MIRRORINGS + 1):
        hit = intersect(world.geometry, ray, active)
        active = hit.valid & ((hit.owner == target) if depth == 0 else Mask(True))
        metal = hit.material == METAL
        if depth:
            _splat(world, film, hit, -ray.d, flux, active & ~metal)
        active = active & metal
        if depth < MIRRORINGS:
            lobe, choice = sampler.independent(LIGHT_LOBE + 8 * depth), sampler.independent(LIGHT_CHOICE + 8 * depth)
            direction, weight = sample_bsdf(hit, -ray.d, lobe, choice)
            flux = flux * weight
            ray = mitsuba.Ray3f(hit.spawn_point(), direction)


def _emitted(world: World, light: Any, sampler: Sampler, middle: Any, radius: Any, count: int) -> tuple[Any, Any]:
    """Rays from the lights to a sphere around the object, and the flux of each."""
    aim, origin, is_sun = sampler.sequential(AIM), sampler.independent(ORIGIN), light == SUN
    number = drjit.minimum(light, UInt(SUN - 1))
    start = point_on_light(world.lights, number, origin)
    away = middle - start
    distance = drjit.norm(away)
    narrow = drjit.sqrt(
        drjit.maximum(1 - (radius / distance) * (radius / distance), 0)
    )  # cosine of the cone's half angle
    cosine = 1 - aim[0] * (1 - narrow)
    sine = drjit.sqrt(drjit.maximum(1 - cosine * cosine, 0))
    angle = 2 * drjit.pi * aim[1]
    cone = mitsuba.Frame3f(away / distance).to_world(
        mitsuba.Vector3f(sine * drjit.cos(angle), sine * drjit.sin(angle), cosine)
    )
    slant = drjit.maximum(drjit.dot(cone, drjit.gather(Vector, world.lights.facing, number)), 0)
    power = Color(drjit.gather(Vector, world.lights.power, number))
    area_flux = power * (slant * 2 * drjit.pi * (1 - narrow) / count)
    sunlight = -sun_direction()
    disc = mitsuba.warp.square_to_uniform_disk(mitsuba.Point2f(*aim)) * radius
    sun_start = middle - sunlight * SUN_START + mitsuba.Frame3f(sunlight).to_world(mitsuba.Vector3f(disc.x, disc.y, 0))
    sun_flux = Color(SUN_IRRADIANCE) * (drjit.pi * radius * radius / count)
    ray = mitsuba.Ray3f(drjit.select(is_sun, sun_start, start), drjit.select(is_sun, sunlight, cone))
    return ray, drjit.select(is_sun, sun_flux, area_flux)


def _splat(world: World, film: list[Any], hit: Hit, light: Any, flux: Any, active: Any) -> None:
    """Add the light of a ray to the pixel that shows where it ends."""
    pixel, inside, view, strength = pixel_of(world.view, hit.point)
    active = (
        active & inside & (drjit.dot(hit.geometric_normal, view) > 0) & (drjit.dot(hit.geometric_normal, light) > 0)
    )
    # `eval_bsdf` is BSDF · cosine to the light. By reciprocity, with the directions swapped, it is the cosine to the
    # camera.
    value = flux * eval_bsdf(hit, light, view) * strength
    distance = drjit.norm(world.view.row(0) - hit.point)
    active = active & ~occluded(world.geometry, hit.spawn_point(), view, distance * 0.9999, active)
    for channel, part in zip(film, (value.x, value.y, value.z), strict=True):
        drjit.scatter_add(channel, part, pixel, active)
