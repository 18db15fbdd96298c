"""The camera: rays through pixels, and pixels of points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.core.clevr.camera import axes, focal_length
from stages.core.clevr.mitsuba_scene import TURN
from stages.core.clevr.scene import Scene
from stages.core.clevr.tracer.backend import Float, UInt, Vector, drjit, gather3, mitsuba


@dataclass(frozen=True)
class View:
    """Place, right, up and forward as rows of one flat array; focal length in pixels; the picture's size."""

    rows: Any
    focal: Any
    width: Any
    height: Any

    def row(self, number: int) -> Any:
        return gather3(self.rows, UInt(number))


def view_of(scene: Scene) -> View:
    place = TURN @ np.asarray(scene.camera.position)
    right, up, backward = axes(place)
    rows = Float(np.concatenate([place, right, up, -backward]).astype(np.float32))
    focal = Float(focal_length(scene.camera.fov, scene.width, scene.height))
    width, height = UInt(scene.width), UInt(scene.height)
    drjit.make_opaque(rows, focal, width, height)  # other values, same kernel
    return View(rows, focal, width, height)


def ray_through(view: View, pixel: Any, spot: tuple[Any, Any]) -> Any:
    """Rays through `spot`, in [0, 1)², of each pixel (numbered row by row)."""
    row = pixel // view.width
    across = (Float(pixel - row * view.width) + spot[0] - Float(view.width) / 2) / view.focal
    down = (Float(row) + spot[1] - Float(view.height) / 2) / view.focal
    way = view.row(3) + across * view.row(1) - down * view.row(2)
    return mitsuba.Ray3f(view.row(0), drjit.normalize(way))


def pixel_of(view: View, point: Any) -> tuple[Any, Any, Any, Any]:
    """(pixel, whether it is in the picture, the unit way to the camera, radiance in the pixel per flux · BRDF · cos).

    The last is 1 / (distance² · the pixel's solid angle), where the solid angle is cos³ / focal².
    """
    away = point - view.row(0)
    depth = drjit.dot(away, view.row(3))
    x = view.focal * drjit.dot(away, view.row(1)) / depth + Float(view.width) / 2
    y = Float(view.height) / 2 - view.focal * drjit.dot(away, view.row(2)) / depth
    inside = (depth > 0) & (x >= 0) & (y >= 0) & (x < Float(view.width)) & (y < Float(view.height))
    distance = drjit.norm(away)
    cosine = depth / distance
    strength = view.focal * view.focal / (distance * distance * cosine * cosine * cosine)
    pixel = drjit.select(inside, UInt(drjit.maximum(y, 0)) * view.width + UInt(drjit.maximum(x, 0)), 0)
    return pixel, inside, -away / distance, strength


__all__ = ["Vector", "View", "pixel_of", "ray_through", "view_of"]
