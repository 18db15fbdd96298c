"""Pictures of CLEVR scenes, rendered in one thread, with the same bytes for the same scene and seed."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.clevr.effort import Effort, Renderer
from stages.core.clevr.llvm import REMEDY, usable_llvm
from stages.core.clevr.mitsuba_scene import AREA_LIGHTS, EXTRA, describe, load_mitsuba, object_name
from stages.core.clevr.scene import Scene
from stages.core.errors import InputError, MissingExtra, VzError, require

# The denoiser blurs the outlines of small objects unless colours and normals guide it. In pictures of CLEVR's own size,
# guides change little and cost a third more time.
GUIDED_BELOW = 400  # pixels along the longer side
GUIDE_SAMPLES = 4
STREAM = 0xFFFFFFFF  # Mitsuba's seeds have 32 bits
# A path that reaches a light through a mirror leaves a white speck, which the denoiser takes for a detail. No pixel may
# be this much brighter than the second brightest of its eight neighbours; highlights cover more pixels.
SPECK = 4.0
WEIGHT = 3  # the film channel that counts each pixel's samples, after red, green and blue
AGAIN = "the picture is not kept; repeat the command"

Light = NDArray[np.float32]


def render(scene: Scene, effort: Effort, seed: int) -> NDArray[np.uint8]:
    """The picture of `scene`, (height, width, 3) uint8 sRGB.

    The same arguments give the same bytes; with `llvm`, only on processors of the same kind. Mitsuba's sampler rounds
    the number of samples up to a product of two close numbers (5 to 6, 32 to 35). `MissingExtra` without Mitsuba or the
    denoiser.
    """
    guided = effort.denoiser is not None and max(scene.width, scene.height) < GUIDED_BELOW
    light, guides = (_trace if effort.renderer == "llvm" else _render)(scene, effort, seed & STREAM, guided)
    check_light(light, f"the {effort.renderer} renderer")
    if effort.denoiser is None:
        return to_srgb(light)
    smooth = _denoiser().denoise(without_specks(light), hdr=True, quality=effort.denoiser, **guides)
    check_light(smooth, "the denoiser")
    return to_srgb(smooth)


def owners(scene: Scene, renderer: Renderer) -> NDArray[np.int32]:
    """The number of the object at each pixel's centre, (height, width); -1 for the ground.

    Uses the renderer's own shapes, including rounded edges.
    """
    if renderer == "llvm":
        shown: NDArray[np.int32] = _tracer().owners(scene)
        return shown
    mitsuba = load_mitsuba()
    seen = {name: part for name, part in describe(scene).items() if name not in AREA_LIGHTS}
    loaded = mitsuba.load_dict(seen, parallel=False, optimize=False)
    number = {str(shape.id()): index for index, shape in enumerate(loaded.shapes(), start=1)}  # 0: nothing
    found = _film(loaded, 1, 0, integrator=_aov("index:shape_index"))[..., 0]
    owner = np.full(found.shape, -1, np.int32)
    for index in range(len(scene.objects)):
        owner[found == number[object_name(index)]] = index
    return owner


def _render(scene: Scene, effort: Effort, seed: int, guided: bool) -> tuple[Light, dict[str, Light]]:
    """Render with Mitsuba's own integrator: linear light, and guides for the denoiser."""
    mitsuba = load_mitsuba()
    # Mitsuba's 'optimize' would order lights and shapes, and so the random numbers, by memory address.
    loaded = mitsuba.load_dict(describe(scene), parallel=False, optimize=False)
    light = _film(loaded, effort.samples, seed)
    undefined = ~np.isfinite(light).all(axis=2, keepdims=True)
    if undefined.any():  # a path over rough metal may divide 0 by 0; other paths then replace those of its pixel
        light = np.where(undefined, _film(loaded, effort.samples, ~seed & STREAM), light)
    if not guided:
        return light, {}
    pixels = _film(loaded, GUIDE_SAMPLES, seed, integrator=_aov("albedo:albedo,normal:sh_normal"))
    return light, {
        "albedo": np.ascontiguousarray(np.clip(pixels[..., :3], 0.0, 1.0)),
        "normal": np.ascontiguousarray(pixels[..., 3:6]),
    }


def _trace(scene: Scene, effort: Effort, seed: int, guided: bool) -> tuple[Light, dict[str, Light]]:
    """The same with vz's tracer."""
    traced = _tracer().trace(scene, samples=effort.samples, metal=effort.metal, photons=effort.photons, seed=seed)
    return traced.light, {"albedo": traced.albedo, "normal": traced.normal} if guided else {}


@cache
def _tracer() -> ModuleType:
    if usable_llvm() is None:
        raise InputError(f"no LLVM library works here; {REMEDY}")
    return import_module("stages.core.clevr.tracer")


def without_specks(light: Light) -> Light:
    """`light` (height, width, 3) with single pixels that outshine their neighbours dimmed, without a change of hue."""
    height, width, _ = light.shape
    brightness = light.max(axis=2)
    framed = np.pad(brightness, 1, mode="edge")
    around = [framed[y : y + height, x : x + width] for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    limit = SPECK * np.partition(np.stack(around), -2, axis=0)[-2]
    dimmed = np.minimum(brightness, limit) / np.maximum(brightness, np.finfo(np.float32).tiny)
    return np.ascontiguousarray(light * dimmed[..., None], dtype=np.float32)


def check_installed(denoise: bool) -> None:
    """`MissingExtra` unless the packages that `render` needs are installed. Fast, since it imports none."""
    for package in ("mitsuba", "pyoidn") if denoise else ("mitsuba",):
        if find_spec(package) is None:
            raise MissingExtra(EXTRA, package)


def to_srgb(light: Light) -> NDArray[np.uint8]:
    """Turns linear light, 1 = white, into clipped sRGB bytes, with the same curve as CLEVR's pictures."""
    clipped = np.clip(light, 0.0, 1.0)
    curve = np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return (curve * 255 + 0.5).astype(np.uint8)


def check_light(light: Light, by: str) -> None:
    """`VzError` if the light is impossible: NaN, infinite or negative, or no light at all."""
    if not np.isfinite(light).all() or light.min() < 0 or not light.any():
        raise VzError(
            f"{by} made an impossible picture (NaN, infinite, negative or no light at all), which is not kept; draw "
            "different scenes with another --seed"
        )


def _film(loaded: Any, samples: int, seed: int, **options: Any) -> Light:
    """Mitsuba's rendering, (height, width, channels). `VzError` unless every pixel has all its samples.

    Mitsuba catches Ctrl-C with its own handler, and then returns an unfinished picture.
    """
    pixels = load_mitsuba().render(loaded, spp=samples, seed=seed, **options)
    sensor = loaded.sensors()[0]
    finished = np.asarray(sensor.film().bitmap(raw=True))[..., WEIGHT]
    missing = int(np.count_nonzero(finished != sensor.sampler().sample_count()))
    if missing:
        raise VzError(f"Mitsuba was interrupted: {missing} of {finished.size} pixels lack samples; {AGAIN}")
    return np.ascontiguousarray(pixels, dtype=np.float32)


@cache
def _aov(channels: str) -> Any:
    """An integrator that renders properties of the first hit instead of light."""
    return load_mitsuba().load_dict({"type": "aov", "aovs": channels})


@cache
def _denoiser() -> Any:
    os.environ.setdefault("OIDN_NUM_THREADS", "1")  # pictures run in parallel, so each takes one core
    return require("pyoidn", EXTRA)
