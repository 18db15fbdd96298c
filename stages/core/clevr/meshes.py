"""Meshes for the CLEVR look, as arrays: cube and cylinder with rounded edges, and the curved ground."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from stages.core.clevr.scene import SceneObject

CUBE_BEVEL = 0.2  # as a share of half the side
CYLINDER_BEVEL = 0.1  # as a share of the radius
# The ground is a strip: flat under the objects, and rising into a wall behind them as seen from the camera.
GROUND_DIRECTION = (-0.9032076597, 0.4292037785)  # direction of the rise, in x and y
GROUND_SIDES = (-27.0, 30.0)  # extent across that direction
# The scene is turned about z before rendering, so that the ground's strips align with the axes of the ray tracer's
# boxes. Ray casts are a third cheaper, and the picture is the same.
TURN = np.array(
    [[GROUND_DIRECTION[0], GROUND_DIRECTION[1], 0.0], [-GROUND_DIRECTION[1], GROUND_DIRECTION[0], 0.0], [0.0, 0.0, 1.0]]
)


@dataclass(frozen=True)
class Mesh:
    """Vertices and unit normals (N, 3), triangles (M, 3) of vertex numbers, counter-clockwise from outside."""

    vertices: NDArray[np.float64]
    normals: NDArray[np.float64]
    faces: NDArray[np.int64]

    def turned(self, turn: NDArray[np.float64]) -> Mesh:
        """The mesh, turned by a rotation matrix."""
        return Mesh(self.vertices @ turn.T, self.normals @ turn.T, self.faces)

    def placed(self, item: SceneObject) -> Mesh:
        """The mesh with the object's position, size and rotation, in the turned scene."""
        # CLEVR drew its rotation in degrees, but its renderer took the number as radians.
        cos, sin = np.cos(item.rotation), np.sin(item.rotation)
        turned = self.turned(TURN @ np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]]))
        vertices = item.coords[2] * turned.vertices + TURN @ np.asarray(item.coords)
        return Mesh(vertices, turned.normals, self.faces)


@cache
def cube(bevel_steps: int) -> Mesh:
    """A cube of half side 1 at the origin, with edges rounded in twice `bevel_steps` steps."""
    core = 1 - CUBE_BEVEL
    bend = core + CUBE_BEVEL * np.tan(np.linspace(0, 1, bevel_steps + 1)[1:] * np.pi / 4)
    line = np.concatenate([-bend[::-1], [-core, core], bend])
    first, second = np.meshgrid(line, line, indexing="ij")
    sides = [_cube_side(axis, sign, first, second) for axis in range(3) for sign in (-1, 1)]
    surface = np.concatenate([points for points, _ in sides])
    inner = np.clip(surface, -core, core)
    normals = surface - inner
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    faces = np.concatenate([side + number * line.size**2 for number, (_, side) in enumerate(sides)])
    return Mesh(inner + CUBE_BEVEL * normals, normals, faces)


def _cube_side(
    axis: int, sign: int, first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    points = np.empty((*first.shape, 3))
    points[..., axis] = sign
    points[..., (axis + 1) % 3] = first
    points[..., (axis + 2) % 3] = second
    faces = _grid_faces(*first.shape)
    return points.reshape(-1, 3), faces if sign > 0 else faces[:, ::-1]


@cache
def cylinder(bevel_steps: int, around: int) -> Mesh:
    """A cylinder of radius and half height 1 about z, with `around` segments and rounded rims."""
    angle = np.linspace(0, np.pi / 2, bevel_steps + 1)
    core = 1 - CYLINDER_BEVEL
    rim = np.stack(
        [
            core + CYLINDER_BEVEL * np.sin(angle),
            core + CYLINDER_BEVEL * np.cos(angle),
            np.sin(angle),
            np.cos(angle),
        ],
        axis=1,
    )
    upper = np.concatenate([[[0.0, 1.0, 0.0, 1.0]], rim])
    outline = np.concatenate([upper, upper[::-1] * (1, -1, 1, -1)])  # radius, z, and the normal's radius, z
    turn = np.linspace(0, 2 * np.pi, around + 1)
    return Mesh(
        _revolve(outline[:, 0], outline[:, 1], turn),
        _revolve(outline[:, 2], outline[:, 3], turn),
        _grid_faces(len(outline), around + 1),
    )


def _revolve(
    radius: NDArray[np.float64], height: NDArray[np.float64], turn: NDArray[np.float64]
) -> NDArray[np.float64]:
    x, y = radius[:, None] * np.cos(turn), radius[:, None] * np.sin(turn)
    return np.stack([x, y, np.repeat(height[:, None], len(turn), axis=1)], axis=2).reshape(-1, 3)


@cache
def sphere(rows: int, around: int) -> Mesh:
    """A ball of radius 1, with `rows` bands of `around` segments."""
    angle = np.linspace(0, np.pi, rows + 1)
    points = _revolve(np.sin(angle), np.cos(angle), np.linspace(0, 2 * np.pi, around + 1))
    return Mesh(points, points, _grid_faces(rows + 1, around + 1))


@cache
def ground() -> Mesh:
    """The ground in CLEVR's base scene, from the profile in `ground_profile.csv` (t along the strip, height z)."""
    text = files("stages.core.clevr").joinpath("ground_profile.csv").read_text(encoding="utf-8")
    profile = np.array([[float(row["t"]), float(row["z"])] for row in csv.DictReader(text.splitlines())])
    slope = np.gradient(profile, axis=0)
    upward = np.stack([-slope[:, 1], slope[:, 0]], axis=1)
    upward /= np.linalg.norm(upward, axis=1, keepdims=True)
    along = np.array([*GROUND_DIRECTION, 0.0])
    across = np.array([along[1], -along[0], 0.0])
    up = np.array([0.0, 0.0, 1.0])
    rail = profile[:, :1] * along + profile[:, 1:] * up
    vertices = np.stack([rail + side * across for side in GROUND_SIDES], axis=1).reshape(-1, 3)
    normals = np.repeat(upward[:, :1] * along + upward[:, 1:] * up, len(GROUND_SIDES), axis=0)
    return Mesh(vertices, normals, _grid_faces(len(profile), len(GROUND_SIDES))[:, ::-1])


def _grid_faces(rows: int, columns: int) -> NDArray[np.int64]:
    """Two triangles for each cell in a grid of vertices numbered row by row."""
    cell = np.arange((rows - 1) * (columns - 1))
    corner = cell // (columns - 1) * columns + cell % (columns - 1)
    lower = np.stack([corner, corner + columns, corner + 1], axis=1)
    upper = np.stack([corner + 1, corner + columns, corner + columns + 1], axis=1)
    return np.concatenate([lower, upper])
