"""A picture's light: camera paths for every pixel, more of them on metal, and caustics from the lamps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.clevr.scene import Scene
from stages.core.clevr.tracer.backend import Float, Mask, UInt, drjit, vectorised
from stages.core.clevr.tracer.body import GROUND, METAL, build, cast
from stages.core.clevr.tracer.caustics import caustics
from stages.core.clevr.tracer.chance import Chance, shuffled_orders
from stages.core.clevr.tracer.lamps import table
from stages.core.clevr.tracer.paths import World, radiance
from stages.core.clevr.tracer.shading import transmission_table
from stages.core.clevr.tracer.view import ray_through, view_of

VERTICES = 4  # of a path; a fifth changes the mean by less than a thousandth
BRIGHTEST = 4.0  # light that an indirect path may bring, 1 = white

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Traced:
    """Linear light and, of what the paths hit first, reflectance and normal: each (height, width, 3) float32."""

    light: Image
    albedo: Image
    normal: Image


@vectorised()
def trace(scene: Scene, *, samples: int, metal: int, photons: int, seed: int) -> Traced:
    """`samples` paths a pixel, `metal` more where metal is seen, `photons` for each metal object and lamp."""
    transmission_table()  # before any loop that looks into it is recorded
    world = _world(scene)
    stream = drjit.opaque(UInt, seed)
    pixel = drjit.arange(UInt, scene.width * scene.height)
    light, albedo, normal, seen_metal = _accumulate(world, pixel, samples, stream)
    shown = np.flatnonzero(seen_metal)
    if metal and len(shown):
        more = _accumulate(world, UInt(shown.astype(np.uint32)), metal, stream + UInt(1))[0]
        share = metal / (samples + metal)
        light[shown] = light[shown] * (1 - share) + more * share
    if photons:
        light += caustics(world, photons, stream, len(light))
    shape = (scene.height, scene.width, 3)
    return Traced(*(np.ascontiguousarray(part.reshape(shape)) for part in (light, albedo, normal)))


@vectorised()
def owners(scene: Scene) -> NDArray[np.int32]:
    """The number of the object that each pixel's centre shows, (height, width); -1 for the ground."""
    world = _world(scene)
    middle = ray_through(world.view, drjit.arange(UInt, scene.width * scene.height), (Float(0.5), Float(0.5)))
    hit = cast(world.body, middle, Mask(True), coherent=True)
    shown = np.array(drjit.select(hit.valid, hit.owner, GROUND)).astype(np.int32)
    return shown.reshape(scene.height, scene.width) - 1


@lru_cache(maxsize=2)  # the scenes of a pair are asked for twice: for their pictures and for what is in sight
def _world(scene: Scene) -> World:
    return World(build(scene), table(scene.lights), view_of(scene))


def _accumulate(world: World, pixel: Any, samples: int, seed: Any) -> tuple[Image, Image, Image, Image]:
    """Means over `samples` paths of each pixel (N, 3): light, reflectance, normal; and (N) how often metal was hit."""
    count = drjit.opaque(UInt, samples)
    chance = Chance(pixel, UInt(0), count, shuffled_orders(samples), seed)

    def one_more(number: Any, *sums: Any) -> tuple[Any, ...]:
        light, first = radiance(world, pixel, chance.at(number), VERTICES, BRIGHTEST)
        tint, normal = drjit.select(first.valid, first.tint, 0), drjit.select(first.valid, first.normal, 0)
        metal = drjit.select(first.valid & (first.kind == METAL), Float(1), Float(0))
        parts = [light.x, light.y, light.z, tint.x, tint.y, tint.z, normal.x, normal.y, normal.z, metal]
        finite = [drjit.select(drjit.isfinite(part), part, 0) for part in parts]
        return number + 1, *(total + part for total, part in zip(sums, finite, strict=True))

    size = drjit.width(pixel)
    start = (drjit.zeros(UInt, size), *(drjit.zeros(Float, size) for _ in range(10)))
    done = drjit.while_loop(start, lambda number, *_: number < count, one_more, mode="symbolic")
    drjit.eval(*done[1:])
    means = [np.asarray(part, dtype=np.float32) / np.float32(samples) for part in done[1:]]
    light, tint, normal = (np.stack(means[first : first + 3], axis=-1).astype(np.float32) for first in (0, 3, 6))
    return light, tint, normal, means[9].astype(np.float32)
