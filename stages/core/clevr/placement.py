"""Draws scenes: with CLEVR's free placement, or with objects in the cells of a grid over the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from stages.core.clevr.camera import on_plane
from stages.core.clevr.relations import HORIZONTAL, directions
from stages.core.clevr.scene import CAMERA_FOV, CAMERA_POSITION, Camera, Lights, Scene, SceneObject, Vector
from stages.core.clevr.visibility import visible_pixels
from stages.core.clevr.vocabulary import RADII
from stages.core.errors import InputError
from stages.core.recipe.games import GRID_CELLS, Games

# The rules of clevr-dataset-gen, in scene units: objects stand within ± REACH in x and y, with a GAP of free ground
# between them, and differ by MARGIN along left–right and front–behind, so that relations are clear. vz tries TRIES
# positions for an object before it restarts the scene. Camera and lights move by up to their jitter along each axis.
REACH, GAP, MARGIN, TRIES = 3.0, 0.25, 0.4, 50
CAMERA_JITTER, LIGHT_JITTER = 0.5, 1.0
MOST_STARTS = 1000  # restarts of a scene before its settings count as impossible (our own limit)
CELL_JITTER = 0.1  # grid: largest distance from the cell's centre along each side, as a share of that side (our own)

# The grid's camera has CLEVR's azimuth, but stands high enough that objects in different rows never hide each other.
GRID_DISTANCE, GRID_ELEVATION, GRID_FOV = 12.6, 50.0, 28.0
_AZIMUTH = math.atan2(CAMERA_POSITION[1], CAMERA_POSITION[0])
GRID_POSITION: Vector = (
    GRID_DISTANCE * math.cos(math.radians(GRID_ELEVATION)) * math.cos(_AZIMUTH),
    GRID_DISTANCE * math.cos(math.radians(GRID_ELEVATION)) * math.sin(_AZIMUTH),
    GRID_DISTANCE * math.sin(math.radians(GRID_ELEVATION)),
)


def sample_scene(games: Games, draw: Random, *, name: str = "", index: int = 0) -> Scene:
    """Draw a scene by the rules of `games`. The same generator state gives the same scene.

    `InputError` if the rules leave no room; it says what to change.
    """
    grid = games.layout == "grid"
    viewpoint = GRID_POSITION if grid else CAMERA_POSITION
    scene = Scene(
        objects=(),
        width=games.width,
        height=games.height,
        camera=Camera(_jittered(viewpoint, CAMERA_JITTER, draw), GRID_FOV if grid else CAMERA_FOV),
        lights=sample_lights(draw),
        viewpoint=viewpoint,
        name=name,
        index=index,
    )
    count = draw.randint(games.objects_min, games.objects_max)
    if grid:
        return replace(scene, objects=_in_cells(count, games, scene, draw))
    for _ in range(MOST_STARTS):
        objects = _placed_freely(count, games, viewpoint, draw)
        whole = replace(scene, objects=tuple(objects))
        if len(objects) == count and (not games.min_pixels or min(visible_pixels(whole)) >= games.min_pixels):
            return whole
    raise InputError(
        f"scene {name or index}: no room for {count} objects in {MOST_STARTS} starts; "
        "lower games.objects_max or games.min_pixels"
    )


def sample_lights(draw: Random) -> Lights:
    """Lights, each moved by up to LIGHT_JITTER along each axis."""
    return Lights(*(_jittered((0.0, 0.0, 0.0), LIGHT_JITTER, draw) for _ in range(3)))


def _has_room(coords: Sequence[float], radius: float, objects: Sequence[SceneObject], view: Vector) -> bool:
    """Whether an object may stand at `coords` (x, y) by CLEVR's rules of distance and margin."""
    sides = [directions(view)[name] for name in HORIZONTAL]
    for other in objects:
        across, along = coords[0] - other.coords[0], coords[1] - other.coords[1]
        if math.hypot(across, along) - radius - other.coords[2] < GAP:
            return False
        if any(0 < across * side[0] + along * side[1] < MARGIN for side in sides):
            return False
    return True


def _placed_freely(count: int, games: Games, view: Vector, draw: Random) -> list[SceneObject]:
    """Up to `count` objects; fewer if there is no place for one."""
    objects: list[SceneObject] = []
    for _ in range(count):
        size = draw.choice(games.sizes)
        for _ in range(TRIES):
            spot = (draw.uniform(-REACH, REACH), draw.uniform(-REACH, REACH))
            if _has_room(spot, RADII[size], objects, view):
                objects.append(_sample_object(size, (*spot, RADII[size]), games, draw))
                break
        else:
            break
    return objects


def _in_cells(count: int, games: Games, scene: Scene, draw: Random) -> tuple[SceneObject, ...]:
    """Objects in `count` cells of the picture, in the cells' reading order."""
    objects = []
    for number in sorted(draw.sample(range(GRID_CELLS**2), count)):
        row, column = divmod(number, GRID_CELLS)
        size = draw.choice(games.sizes)
        shift = [draw.uniform(-1, 1) * CELL_JITTER for _ in range(2)]
        pixel = (
            (column + 0.5) * scene.width / GRID_CELLS + shift[0] * scene.width / GRID_CELLS,
            (row + 0.5) * scene.height / GRID_CELLS + shift[1] * scene.height / GRID_CELLS,
        )
        x, y, _ = on_plane(pixel, RADII[size], scene.camera, scene.width, scene.height)
        objects.append(_sample_object(size, (float(x), float(y), RADII[size]), games, draw))
    return tuple(objects)


def _sample_object(size: str, coords: Vector, games: Games, draw: Random) -> SceneObject:
    return SceneObject(
        shape=draw.choice(games.shapes),
        size=size,
        color=draw.choice(games.colors),
        material=draw.choice(games.materials),
        rotation=draw.uniform(0, 360),
        coords=coords,
    )


def _jittered(place: Vector, jitter: float, draw: Random) -> Vector:
    x, y, z = (part + draw.uniform(-jitter, jitter) for part in place)
    return (x, y, z)
