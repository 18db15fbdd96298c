"""Finds a given scene's camera from where its objects appear.

CLEVR stores no camera: `directions` belongs to the camera before its jitter. But every object's `pixel_coords` follow
the jittered camera, which looks at the origin through a known lens, so only its position is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from stages.core.clevr.camera import Array, project
from stages.core.clevr.scene import CAMERA_POSITION, Camera

# Units of the errors: pixels are rounded to whole numbers, depths to float32, and the jitter is ±0.5.
PIXEL_UNIT, DEPTH_UNIT, JITTER_UNIT = 0.5, 1e-5, 0.5
# First least squares, which converges from anywhere; then a steep norm for the pixels, since rounding errors have a
# hard limit.
POWERS = (1, 5)
STEPS = 60  # Gauss-Newton steps per power; genuine scenes converge in a few
NUDGE = 1e-6  # scene units, for the numerical derivative
SHORTEST_STEP = 1e-7  # scene units
LEAST_GAIN = 1e-4  # relative; below this, nothing changes by a hundredth of a pixel


@dataclass(frozen=True)
class Recovery:
    """The recovered camera, the largest error in pixels, and how unlikely the whole fit is (a sum of squares)."""

    camera: Camera
    residual: float
    cost: float


def recover_camera(
    coords: Sequence[Sequence[float]], seen: Sequence[Sequence[float]], size: tuple[int, int]
) -> Recovery:
    """The camera with CLEVR's lens that sees `coords` (N, 3), in scene units, at `seen` (N, 3): pixel x, y and depth.

    `size` is the picture's width and height. The expected jitter is an additional weak term, which decides what a few
    objects leave open. The caller judges `residual`: above half a pixel, the scene is not CLEVR's.
    """
    points, target = np.asarray(coords, dtype=np.float64), np.asarray(seen, dtype=np.float64)
    start = np.asarray(CAMERA_POSITION)

    def errors(place: Array, power: int) -> Array:
        off = project(points, _camera(place), *size) - target
        pixels = off[:, :2].ravel() / PIXEL_UNIT
        return np.concatenate([pixels**power, off[:, 2] / DEPTH_UNIT, (place - start) / JITTER_UNIT])

    place, cost = start, 0.0
    with np.errstate(all="ignore"):
        if not np.isfinite(errors(place, 1)).all():  # an object stands where the camera should be
            return Recovery(_camera(place), np.inf, np.inf)
        for power in POWERS:
            place = _minimise(partial(errors, power=power), place)
            cost = cost or float((errors(place, power) ** 2).sum())
    residual = float(np.abs(project(points, _camera(place), *size) - target)[:, :2].max())
    return Recovery(_camera(place), residual, cost)


def _minimise(errors: Callable[[Array], Array], place: Array) -> Array:
    """Gauss-Newton on the sum of squared errors, with each step halved until it helps."""
    nudges = np.eye(3) * NUDGE
    best = float((errors(place) ** 2).sum())
    for _ in range(STEPS):
        slope = np.stack([(errors(place + nudge) - errors(place - nudge)) / (2 * NUDGE) for nudge in nudges], axis=1)
        step = np.linalg.lstsq(slope, -errors(place), rcond=None)[0]
        while not (worth := float((errors(place + step) ** 2).sum())) < best:  # also true for NaN
            step = step / 2
            if np.linalg.norm(step) < SHORTEST_STEP:
                return place
        gained, place, best = best - worth, place + step, worth
        if gained < LEAST_GAIN * best:
            return place
    return place


def _camera(place: Array) -> Camera:
    x, y, z = (float(part) for part in place)
    return Camera((x, y, z))
