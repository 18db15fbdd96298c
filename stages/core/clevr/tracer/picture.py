"""A picture's light: camera paths for every pixel, extra paths on metal, and caustics from the lights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.clevr.scene import Scene
from stages.core.clevr.tracer.backend import Float, Mask, UInt, drjit, vectorised
from stages.core.clevr.tracer.geometry import GROUND, build, camera_rays, intersect, view_of
from stages.core.clevr.tracer.lights import light_table
from stages.core.clevr.tracer.materials import transmission_table
from stages.core.clevr.tracer.paths import World, caustics, radiance
from stages.core.clevr.tracer.sampler import Sampler, shuffled_orders

VERTICES = 4  # per path; a fifth changes the mean by less than a thousandth
BRIGHTEST = 4.0  # most light from an indirect path, 1 = white

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Traced:
    """Linear light, and the reflectance and normal of the paths' first hits: each (height, width, 3) float32."""

    light: Image
    albedo: Image
    normal: Image


@vectorised()
def trace(scene: Scene, *, samples: int, metal: int, photons: int, seed: int) -> Traced:
    """Trace `samples` paths per pixel, `metal` more on and around metal, `photons` for each metal object and light."""
    transmission_table()  # before recording any loop that reads it
    world = _world(scene)
    stream = drjit.opaque(UInt, seed)
    light, albedo, normal = _accumulate(world, drjit.arange(UInt, scene.width * scene.height), samples, stream)
    chosen = np.flatnonzero(_near_metal(scene))
    if metal and len(chosen):
        more = _accumulate(world, UInt(chosen.astype(np.uint32)), metal, stream + UInt(1))
        for whole, part in zip((light, albedo, normal), more, strict=True):
            whole[chosen] += (part - whole[chosen]) * np.float32(metal / (samples + metal))
    if photons:
        light += caustics(world, photons, stream, len(light))
    return Traced(*(part.reshape(scene.height, scene.width, 3) for part in (light, albedo, normal)))


# A pair's scenes are needed twice: for visibility, and for the pictures.
@lru_cache(maxsize=2)
@vectorised()
def owners(scene: Scene) -> NDArray[np.int32]:
    """The number of the object at each pixel's centre, (height, width), read-only; -1 for the ground."""
    world = _world(scene)
    middle = camera_rays(world.view, drjit.arange(UInt, scene.width * scene.height), (Float(0.5), Float(0.5)))
    hit = intersect(world.geometry, middle, Mask(True), coherent=True)
    shown = np.array(drjit.select(hit.valid, hit.owner, GROUND)).astype(np.int32)
    shown = shown.reshape(scene.height, scene.width) - 1
    shown.setflags(write=False)
    return shown


def _near_metal(scene: Scene) -> NDArray[np.bool_]:
    """Which pixels (height, width) show metal at their centre, or touch one that does.

    The paths themselves must not choose where extra paths go: pixels whose first few paths happened to hit metal would
    show too much of it, and others too little.
    """
    metal = np.array([False, *(item.material == "metal" for item in scene.objects)])[owners(scene) + 1]
    framed = np.pad(metal, 1)
    return np.asarray(metal | framed[:-2, 1:-1] | framed[2:, 1:-1] | framed[1:-1, :-2] | framed[1:-1, 2:])


@lru_cache(maxsize=2)
def _world(scene: Scene) -> World:
    return World(build(scene), light_table(scene.lights), view_of(scene))


def _accumulate(world: World, pixel: Any, samples: int, seed: Any) -> list[Image]:
    """Means over `samples` paths of each pixel, (N, 3): light, reflectance, normal."""
    count = drjit.opaque(UInt, samples)
    sampler = Sampler(pixel, UInt(0), count, shuffled_orders(samples), seed)

    def one_more(number: Any, *sums: Any) -> tuple[Any, ...]:
        light, first = radiance(world, pixel, sampler.at(number), VERTICES, BRIGHTEST)
        albedo, normal = drjit.select(first.valid, first.reflectance, 0), drjit.select(first.valid, first.normal, 0)
        parts = [part for vector in (light, albedo, normal) for part in (vector.x, vector.y, vector.z)]
        finite = [drjit.select(drjit.isfinite(part), part, 0) for part in parts]
        return number + 1, *(total + part for total, part in zip(sums, finite, strict=True))

    size = drjit.width(pixel)
    start = (drjit.zeros(UInt, size), *(drjit.zeros(Float, size) for _ in range(9)))
    done = drjit.while_loop(start, lambda number, *_: number < count, one_more, mode="symbolic")[1:]
    drjit.eval(*done)
    sums = [np.asarray(part, dtype=np.float32) for part in done]
    return [np.stack(sums[first : first + 3], axis=-1) / np.float32(samples) for first in (0, 3, 6)]
