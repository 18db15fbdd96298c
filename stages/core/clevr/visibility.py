"""Counts how much of each object is visible, from the exact shapes and without rendering."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stages.core.clevr.camera import Array, view_rays
from stages.core.clevr.scene import Scene, SceneObject

COUNTING_WIDTH = 320  # CLEVR states its limit for pictures of this size


def visible_pixels(scene: Scene) -> list[int]:
    """The visible pixels of each object, in a picture whose longer side has 320 pixels.

    Assumes sharp edges; CLEVR's rounded edges show a few per cent less.
    """
    scale = COUNTING_WIDTH / max(scene.width, scene.height)
    width, height = round(scene.width * scale), round(scene.height * scale)
    small = replace(scene, width=width, height=height)
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = view_rays(np.stack([columns.ravel(), rows.ravel()], axis=1), small.camera, width, height)
    depths = np.stack([_depth(item, np.asarray(scene.camera.position), rays) for item in scene.objects])
    nearest = np.where(np.isfinite(depths.min(axis=0)), depths.argmin(axis=0), -1)
    return [int(np.count_nonzero(nearest == number)) for number in range(len(scene.objects))]


def _depth(item: SceneObject, origin: Array, rays: Array) -> Array:
    """The distance along each ray (N, 3) at which the object begins; infinite if the ray misses it."""
    radius = item.coords[2]
    start, direction = (origin - np.asarray(item.coords)) / radius, rays / radius
    if item.shape == "cube":
        cos, sin = np.cos(item.rotation), np.sin(item.rotation)
        turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
        start, direction = turn @ start, direction @ turn.T
        spans = [_slab(start[axis], direction[:, axis]) for axis in range(3)]
    elif item.shape == "cylinder":
        spans = [_ball(start[:2], direction[:, :2]), _slab(start[2], direction[:, 2])]
    else:
        spans = [_ball(start, direction)]
    enter = np.max([span[0] for span in spans], axis=0)
    leave = np.min([span[1] for span in spans], axis=0)
    return np.where((enter < leave) & (enter > 0), enter, np.inf)


def _slab(start: float, direction: Array) -> tuple[Array, Array]:
    """Where rays are between -1 and 1 along one axis."""
    with np.errstate(divide="ignore"):
        first, second = (-1 - start) / direction, (1 - start) / direction
    return np.minimum(first, second), np.maximum(first, second)


def _ball(start: Array, direction: Array) -> tuple[Array, Array]:
    """Where rays are within 1 of the origin, in as many dimensions as `start` has; nowhere: (inf, -inf)."""
    square, half, rest = (direction**2).sum(axis=1), direction @ start, float(start @ start) - 1
    inside = half**2 - square * rest
    root = np.sqrt(np.maximum(inside, 0))
    hit = inside > 0
    return np.where(hit, (-half - root) / square, np.inf), np.where(hit, (-half + root) / square, -np.inf)
