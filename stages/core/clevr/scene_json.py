"""Scenes as JSON in the keys of CLEVR v1.0, with the camera and lamps added, so that a scene can be rendered again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any, TypeGuard

from stages.core.clevr.camera import project
from stages.core.clevr.relations import directions, relationships
from stages.core.clevr.scene import CAMERA_POSITION, Camera, Lights, Scene, SceneObject, Vector
from stages.core.clevr.vocabulary import COLORS, MATERIALS, SHAPES, SIZES
from stages.core.errors import InputError

WORDS: dict[str, Sequence[str]] = {
    "shape": SHAPES,
    "size": SIZES,
    "color": tuple(COLORS),
    "material": MATERIALS,
}
IN_ONE_PLACE = 0.5  # distance of two centres, in the larger radius, below which one stands in the other
SUPER_CLEVR = ("texture", "parts", "obj_bbox")  # keys that its objects have and CLEVR's have not
# What a scene may ask for at most, since it may come from strangers; CLEVR stays far below.
MOST_OBJECTS, FARTHEST = 100, 1e5  # objects; any coordinate, in scene units or pixels
LONGEST_SHOWN = 80  # letters of a value in a message
SIDES, LENSES = (16, 4096), (1.0, 120.0)  # pixels of a picture, degrees of view: those of games.width and camera.fov


def to_json(scene: Scene) -> dict[str, Any]:
    """A scene as CLEVR v1.0 writes it, plus `camera` (place, field of view, picture size) and `lights`."""
    seen = project([item.coords for item in scene.objects], scene.camera, scene.width, scene.height)
    return {
        "image_index": scene.index,
        "image_filename": f"{scene.name}.png",
        "split": scene.split,
        "objects": [
            {
                "shape": item.shape,
                "size": item.size,
                "color": item.color,
                "material": item.material,
                "rotation": item.rotation,
                "3d_coords": list(item.coords),
                "pixel_coords": [round(float(x)), round(float(y)), float(depth)],
            }
            for item, (x, y, depth) in zip(scene.objects, seen, strict=True)
        ],
        "relationships": relationships(scene.objects, scene.viewpoint),
        "directions": {name: list(way) for name, way in directions(scene.viewpoint).items()},
        "camera": {
            "position": list(scene.camera.position),
            "fov": scene.camera.fov,
            "viewpoint": list(scene.viewpoint),
            "width": scene.width,
            "height": scene.height,
        },
        "lights": {name: list(moved) for name, moved in asdict(scene.lights).items()},
    }


def from_json(body: Mapping[str, Any], where: str) -> Scene:
    """Read what `to_json` wrote. `InputError` names `where` and what is off; genuine scenes lack the camera."""
    camera = body.get("camera")
    if not isinstance(camera, Mapping):
        raise InputError(f"{where}: holds no 'camera', so it is no scene of vz; read it as a given scene (--scenes)")
    lights = body.get("lights", {})
    try:
        return Scene(
            objects=objects_from_json(body, where),
            width=int(_within(camera["width"], *SIDES)),
            height=int(_within(camera["height"], *SIDES)),
            camera=Camera(_viewpoint(camera["position"]), float(_within(camera["fov"], *LENSES))),
            lights=Lights(**{name: _vector(moved) for name, moved in dict(lights).items()}),
            viewpoint=_viewpoint(camera.get("viewpoint", CAMERA_POSITION)),
            name=str(body.get("image_filename", "")).removesuffix(".png"),
            index=index_from_json(body, where),
            split=str(body.get("split", "new")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: 'camera' or 'lights' is not whole ({error}); make the scene again") from error


def index_from_json(body: Mapping[str, Any], where: str) -> int:
    """`image_index`, or 0 where there is none."""
    index = body.get("image_index", 0)
    if not isinstance(index, int):
        raise InputError(f"{where}: 'image_index' is {_shown(index)}, but must be a whole number")
    return index


def objects_from_json(body: Mapping[str, Any], where: str) -> tuple[SceneObject, ...]:
    """The object list of a scene. `InputError` names the scene, the object's number and the key that is off."""
    objects = body.get("objects") if isinstance(body, Mapping) else None
    if not isinstance(objects, list) or not objects:
        raise InputError(f"{where}: holds no list 'objects'; a scene of CLEVR v1.0 is needed")
    if len(objects) > MOST_OBJECTS:
        raise InputError(f"{where}: has {len(objects):,} objects; at most {MOST_OBJECTS} can be drawn: leave it out")
    read = tuple(_object(item, f"{where}: object {number}") for number, item in enumerate(objects))
    for (number, one), (other, two) in combinations(enumerate(read), 2):
        if math.dist(one.coords[:2], two.coords[:2]) < IN_ONE_PLACE * max(one.coords[2], two.coords[2]):
            raise InputError(f"{where}: objects {number} and {other} stand in one place; leave the scene out")
    return read


def pixels_from_json(body: Mapping[str, Any], where: str) -> list[Vector]:
    """`pixel_coords` of every object: x, y in pixels and depth. `InputError` where they are missing."""
    return [_coords(item, "pixel_coords", f"{where}: object {number}") for number, item in enumerate(body["objects"])]


def _object(item: Any, where: str) -> SceneObject:
    if not isinstance(item, Mapping):
        raise InputError(f"{where}: is not an object of a CLEVR v1.0 scene")
    foreign = [key for key in SUPER_CLEVR if key in item]
    if foreign:
        raise InputError(f"{where}: has '{foreign[0]}', as Super-CLEVR's have, which vz cannot render; use CLEVR v1.0")
    words = {key: _word(item, key, where) for key in WORDS}
    rotation = item.get("rotation")
    if not _is_number(rotation):
        raise InputError(f"{where}: 'rotation' is {_shown(rotation)}, but must be a number")
    coords = _coords(item, "3d_coords", where)
    if coords[2] <= 0:
        raise InputError(f"{where}: '3d_coords' has height {coords[2]}; an object's centre is above the ground")
    return SceneObject(**words, rotation=float(rotation), coords=coords)


def _word(item: Mapping[str, Any], key: str, where: str) -> str:
    if key not in item:
        raise InputError(f"{where}: '{key}' is missing; a scene of CLEVR v1.0 is needed")
    if item[key] not in WORDS[key]:
        raise InputError(f"{where}: unknown {key} {_shown(item[key])}; CLEVR v1.0 knows {', '.join(WORDS[key])}")
    return str(item[key])


def _coords(item: Mapping[str, Any], key: str, where: str) -> Vector:
    if key not in item:
        raise InputError(f"{where}: '{key}' is missing; a scene of CLEVR v1.0 is needed")
    value = item[key]
    if not isinstance(value, list) or len(value) != 3 or not all(_is_number(part) for part in value):
        raise InputError(
            f"{where}: '{key}' is {_shown(value)}, but must be three finite numbers, up to {FARTHEST:,.0f}"
        )
    return _vector(value)


def _vector(value: Sequence[float]) -> Vector:
    x, y, z = (float(_within(part, -FARTHEST, FARTHEST)) for part in value)
    return (x, y, z)


def _viewpoint(value: Sequence[float]) -> Vector:
    """A place of the camera, from which the origin is seen with z up: above the ground, but not right above it."""
    x, y, z = _vector(value)
    if z <= 0 or not (x or y):
        raise ValueError(f"no camera can look from {value}")
    return (x, y, z)


def _within(value: Any, least: float, most: float) -> float:
    """The number, if it is one of a range; else `ValueError`."""
    if not _is_number(value) or not least <= value <= most:
        raise ValueError(f"{_shown(value)} is not a number from {least:,.0f} to {most:,.0f}")
    return value


def _is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a number that is no further from 0 than anything in a scene."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -FARTHEST <= value <= FARTHEST


def _shown(value: Any) -> str:
    """As JSON has it, but no longer than a message may be."""
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
