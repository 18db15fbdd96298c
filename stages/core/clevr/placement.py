"""Drawing scenes: CLEVR's free placement, and objects in the cells of a grid over the picture."""

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

# The rules of clevr-dataset-gen, in scene units: objects stand within ± REACH in x and y, with GAP of free ground
# between them, and differ by MARGIN along left–right and front–behind, so that relations are clear. An object gets
# TRIES places before the scene starts again. Camera and lamps move by up to their jitter along each axis.
REACH, GAP, MARGIN, TRIES = 3.0, 0.25, 0.4, 50
CAMERA_JITTER, LIGHT_JITTER = 0.5, 1.0
MOST_STARTS = 1000  # of one scene, before its settings count as impossible (our own limit)
CELL_JITTER = 0.1  # grid: how far an object stands from its cell's centre, as a share of the cell's side (our own)

# The grid's camera: CLEVR's azimuth, but high enough that objects of different rows never hide one another.
GRID_DISTANCE, GRID_ELEVATION, GRID_FOV = 12.6, 50.0, 28.0
_AZIMUTH = math.atan2(CAMERA_POSITION[1], CAMERA_POSITION[0])
GRID_POSITION: Vector = (
    GRID_DISTANCE * math.cos(math.radians(GRID_ELEVATION)) * math.cos(_AZIMUTH),
    GRID_DISTANCE * math.cos(math.radians(GRID_ELEVATION)) * math.sin(_AZIMUTH),
    GRID_DISTANCE * math.sin(math.radians(GRID_ELEVATION)),
)


def sample_scene(games: Games, draw: Random, *, name: str = "", index: int = 0, split: str = "new") -> Scene:
    """Draw a scene by the rules of `games`. Same generator state, same scene.

    `InputError` when the rules leave no room, with what to change.
    """
    return sample_with_starts(games, draw, name=name, index=index, split=split)[0]


def sample_with_starts(
    games: Games, draw: Random, *, name: str = "", index: int = 0, split: str = "new"
) -> tuple[Scene, int]:
    """The scene, and how many before it were thrown away: an object found no place, or was not enough in sight."""
    viewpoint, fov = viewpoint_of(games), fov_of(games)
    scene = Scene(
        objects=(),
        width=games.width,
        height=games.height,
        camera=Camera(_jittered(viewpoint, CAMERA_JITTER, draw), fov),
        lights=sample_lights(draw),
        viewpoint=viewpoint,
        name=name,
        index=index,
        split=split,
    )
    count = draw.randint(games.objects_min, games.objects_max)
    if games.layout == "grid":
        return replace(scene, objects=_in_cells(count, games, scene, draw)), 0
    for start in range(MOST_STARTS):
        objects = _placed_freely(count, games, viewpoint, draw)
        whole = replace(scene, objects=tuple(objects))
        if len(objects) == count and (not games.min_pixels or min(visible_pixels(whole)) >= games.min_pixels):
            return whole, start
    raise InputError(
        f"scene {name or index}: no room for {count} objects in {MOST_STARTS} starts; "
        "lower games.objects_max or games.min_pixels"
    )


def sample_lights(draw: Random) -> Lights:
    """Each lamp moves by up to LIGHT_JITTER along each axis."""
    return Lights(*(_jittered((0.0, 0.0, 0.0), LIGHT_JITTER, draw) for _ in range(3)))


def viewpoint_of(games: Games) -> Vector:
    """The camera's place before its jitter."""
    return GRID_POSITION if games.layout == "grid" else CAMERA_POSITION


def fov_of(games: Games) -> float:
    """The camera's field of view in degrees."""
    return GRID_FOV if games.layout == "grid" else CAMERA_FOV


def cell_centers(cells: int, width: int, height: int) -> list[tuple[float, float]]:
    """Pixel positions (x, y) of the grid's cell centres, row by row from the top left."""
    return [
        ((column + 0.5) * width / cells, (row + 0.5) * height / cells)
        for row in range(cells)
        for column in range(cells)
    ]


def has_room(
    coords: Sequence[float], radius: float, objects: Sequence[SceneObject], games: Games, view: Vector
) -> bool:
    """Whether an object may stand at `coords` (x, y) by CLEVR's rules of distance and margin."""
    ways = [directions(view)[name] for name in HORIZONTAL]
    for other in objects:
        across, along = coords[0] - other.coords[0], coords[1] - other.coords[1]
        if math.hypot(across, along) - radius - other.coords[2] < GAP:
            return False
        if any(0 < across * way[0] + along * way[1] < MARGIN for way in ways):
            return False
    return True


def _placed_freely(count: int, games: Games, view: Vector, draw: Random) -> list[SceneObject]:
    """Up to `count` objects; fewer when one finds no place."""
    objects: list[SceneObject] = []
    for _ in range(count):
        size = draw.choice(games.sizes)
        for _ in range(TRIES):
            spot = (draw.uniform(-REACH, REACH), draw.uniform(-REACH, REACH))
            if has_room(spot, RADII[size], objects, games, view):
                objects.append(_sample_object(size, (*spot, RADII[size]), games, draw))
                break
        else:
            break
    return objects


def _in_cells(count: int, games: Games, scene: Scene, draw: Random) -> tuple[SceneObject, ...]:
    """Objects in `count` cells of the picture, in reading order of the cells."""
    centers = cell_centers(GRID_CELLS, scene.width, scene.height)
    objects = []
    for number in sorted(draw.sample(range(len(centers)), count)):
        size = draw.choice(games.sizes)
        shift = [draw.uniform(-1, 1) * CELL_JITTER for _ in range(2)]
        pixel = (
            centers[number][0] + shift[0] * scene.width / GRID_CELLS,
            centers[number][1] + shift[1] * scene.height / GRID_CELLS,
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
