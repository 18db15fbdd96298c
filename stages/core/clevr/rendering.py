"""Pictures of CLEVR scenes: one thread, and the same bytes for the same scene and seed."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.clevr.mitsuba_scene import EXTRA, describe, load_mitsuba
from stages.core.clevr.scene import Scene
from stages.core.errors import MissingExtra, require

# The denoiser blurs the outlines of small objects unless it is told colours and normals. In pictures of CLEVR's own
# size this changes little and would cost a third more time.
GUIDED_BELOW = 400  # pixels along the longer side
GUIDE_SAMPLES = 4
# A light path that finds a lamp by way of a mirror leaves a white speck, which the denoiser takes for a detail. No
# pixel may be this much brighter than the second brightest of its eight neighbours; highlights span more than that.
SPECK = 4.0

Light = NDArray[np.float32]


def render(scene: Scene, *, samples: int, seed: int, denoise: bool = True) -> NDArray[np.uint8]:
    """The picture of `scene`, (height, width, 3) uint8 sRGB, with `samples` light paths a pixel.

    Same arguments, same bytes. The sampler rounds `samples` up to a product of two near numbers (5 to 6, 32 to 35).
    `MissingExtra` if Mitsuba or the denoiser is not installed.
    """
    mitsuba = load_mitsuba()
    # Mitsuba's 'optimize' orders lamps and shapes by memory address, and with them the random numbers.
    loaded = mitsuba.load_dict(describe(scene), parallel=False, optimize=False)
    stream = seed & 0xFFFFFFFF  # Mitsuba's seeds have 32 bits
    light = _pixels(mitsuba.render(loaded, spp=samples, seed=stream))
    if not denoise:
        return to_srgb(light)
    guides: dict[str, Light] = {}
    if max(scene.width, scene.height) < GUIDED_BELOW:
        first_hit = mitsuba.render(loaded, integrator=_guide(), spp=GUIDE_SAMPLES, seed=stream)
        pixels = _pixels(first_hit)
        guides = {
            "albedo": np.ascontiguousarray(np.clip(pixels[..., :3], 0.0, 1.0)),
            "normal": np.ascontiguousarray(pixels[..., 3:6]),
        }
    return to_srgb(_denoiser().denoise(without_specks(light), hdr=True, **guides))


def without_specks(light: Light) -> Light:
    """`light` (height, width, 3) with single pixels that outshine their neighbours dimmed; hues stay."""
    height, width, _ = light.shape
    brightness = light.max(axis=2)
    framed = np.pad(brightness, 1, mode="edge")
    around = [framed[y : y + height, x : x + width] for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    limit = SPECK * np.partition(np.stack(around), -2, axis=0)[-2]
    dimmed = np.minimum(brightness, limit) / np.maximum(brightness, np.finfo(np.float32).tiny)
    return np.ascontiguousarray(light * dimmed[..., None], dtype=np.float32)


def check_installed(denoise: bool) -> None:
    """`MissingExtra` unless the packages that `render` needs can be imported; quick, since it imports none."""
    for package in ("mitsuba", "pyoidn") if denoise else ("mitsuba",):
        if find_spec(package) is None:
            raise MissingExtra(EXTRA, package)


def to_srgb(light: Light) -> NDArray[np.uint8]:
    """Linear light, 1 = white -> sRGB bytes, clipped: the curve with which CLEVR's pictures were written."""
    clipped = np.clip(light, 0.0, 1.0)
    curve = np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return (curve * 255 + 0.5).astype(np.uint8)


def _pixels(bitmap: Any) -> Light:
    return np.ascontiguousarray(bitmap, dtype=np.float32)


@cache
def _guide() -> Any:
    return load_mitsuba().load_dict({"type": "aov", "aovs": "albedo:albedo,normal:sh_normal"})


@cache
def _denoiser() -> Any:
    os.environ.setdefault("OIDN_NUM_THREADS", "1")  # the pictures of a run share out the cores, not one picture
    return require("pyoidn", EXTRA)
