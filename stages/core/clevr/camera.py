"""CLEVR's pinhole camera: projects points, and casts pixels back into the scene."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.core.clevr.scene import Camera

Array = NDArray[np.float64]


def focal_length(fov: float, width: int, height: int) -> float:
    """Focal length in pixels for a field of view in degrees along the longer side."""
    return max(width, height) / 2 / math.tan(math.radians(fov) / 2)


def axes(position: ArrayLike) -> tuple[Array, Array, Array]:
    """Unit vectors right, up and backward for a camera at `position` that looks at the origin."""
    place = np.asarray(position, dtype=np.float64)
    backward = place / np.linalg.norm(place)
    right = np.cross((0.0, 0.0, 1.0), backward)
    right /= np.linalg.norm(right)
    return right, np.cross(backward, right), backward


def project(points: ArrayLike, camera: Camera, width: int, height: int) -> Array:
    """Points (N, 3) in scene units -> (N, 3): pixel x, pixel y (from the top left), depth along the view axis."""
    right, up, backward = axes(camera.position)
    away = np.asarray(points, dtype=np.float64).reshape(-1, 3) - np.asarray(camera.position)
    depth = -(away @ backward)
    focal = focal_length(camera.fov, width, height)
    return np.stack(
        [width / 2 + focal * (away @ right) / depth, height / 2 - focal * (away @ up) / depth, depth], axis=1
    )


def view_rays(pixels: ArrayLike, camera: Camera, width: int, height: int) -> Array:
    """Directions (N, 3), not normalised, from the camera through pixel positions (N, 2)."""
    right, up, backward = axes(camera.position)
    spot = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
    focal = focal_length(camera.fov, width, height)
    across = (spot[:, :1] - width / 2) / focal
    upward = (height / 2 - spot[:, 1:]) / focal
    return across * right + upward * up - backward


def on_plane(pixel: tuple[float, float], height_z: float, camera: Camera, width: int, height: int) -> Array:
    """The point (3,) on the plane z = `height_z` that `pixel` shows. The camera must be above the plane."""
    ray = view_rays([pixel], camera, width, height)[0]
    place = np.asarray(camera.position)
    return np.asarray(place + ray * (height_z - place[2]) / ray[2])
