"""Scenes as JSON with CLEVR v1.0's keys, plus the camera and the lights, so that a scene can be rendered again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stages.core.clevr.camera import project
from stages.core.clevr.relations import directions, relationships
from stages.core.clevr.scene import CAMERA_POSITION, Camera, Lights, Scene, SceneObject, Vector
from stages.core.clevr.vocabulary import COLORS, MATERIALS, SHAPES, SIZES
from stages.core.errors import InputError
from stages.core.recipe.games import Color, Material, Shape, Size

WORDS: dict[str, Sequence[str]] = {
    "shape": SHAPES,
    "size": SIZES,
    "color": tuple(COLORS),
    "material": MATERIALS,
}
IN_ONE_PLACE = 0.5  # distance between two centres, in units of the larger radius, below which the objects overlap
MOST_OBJECTS, FARTHEST = (
    100,
    1e5,
)  # number of objects; any coordinate, in scene units or pixels. CLEVR stays far below both
LONGEST_SHOWN = 80  # characters of a value in a message

Number = Annotated[float, Field(ge=-FARTHEST, le=FARTHEST, allow_inf_nan=False)]
Point = Annotated[list[Number], Field(min_length=3, max_length=3)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)  # text is not a number


class _Object(_Part):
    shape: Shape
    size: Size
    color: Color
    material: Material
    rotation: Number
    coords: Point = Field(alias="3d_coords")
    pixel_coords: Point | None = None

    @model_validator(mode="after")
    def _stands(self) -> Self:
        if self.coords[2] <= 0:
            raise ValueError(
                f"'3d_coords' has height {self.coords[2]}, but an object's centre must be above the ground"
            )
        return self


class _Camera(_Part):
    position: Point
    viewpoint: Point = list(CAMERA_POSITION)
    fov: Annotated[float, Field(ge=1, le=120)]
    width: Annotated[int, Field(ge=16, le=4096)]
    height: Annotated[int, Field(ge=16, le=4096)]

    @model_validator(mode="after")
    def _looks_at_the_origin(self) -> Self:
        for x, y, z in (self.position, self.viewpoint):
            if z <= 0 or not (x or y):
                raise ValueError(f"no camera can look from {[x, y, z]}")
        return self


class _Scene(_Part):
    objects: Annotated[list[_Object], Field(min_length=1, max_length=MOST_OBJECTS)]
    image_index: int = 0
    image_filename: str = ""
    split: str = "new"
    camera: _Camera | None = None
    lights: dict[Literal["key", "fill", "back"], Point] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        for (number, one), (other, two) in combinations(enumerate(self.objects), 2):
            if math.dist(one.coords[:2], two.coords[:2]) < IN_ONE_PLACE * max(one.coords[2], two.coords[2]):
                raise ValueError(f"objects {number} and {other} stand in the same place")
        if self.camera is None and any(item.pixel_coords is None for item in self.objects):
            raise ValueError("an object has no 'pixel_coords', which vz needs to recover the camera")
        return self


def to_json(scene: Scene) -> dict[str, Any]:
    """A scene in CLEVR v1.0's format, plus `camera` (position, field of view, picture size) and `lights`."""
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
        "directions": {name: list(direction) for name, direction in directions(scene.viewpoint).items()},
        "camera": {
            "position": list(scene.camera.position),
            "fov": scene.camera.fov,
            "viewpoint": list(scene.viewpoint),
            "width": scene.width,
            "height": scene.height,
        },
        "lights": {name: list(moved) for name, moved in asdict(scene.lights).items()},
    }


def from_json(body: Any, where: str) -> Scene:
    """Read what `to_json` wrote. `InputError` names `where` and what is wrong."""
    scene, _ = read_json_scene(body, where)
    if scene.width == 0:
        raise InputError(
            f"{where}: contains no 'camera', so vz did not write it; read it as a genuine scene (--scenes)"
        )
    return scene


def read_json_scene(body: Any, where: str) -> tuple[Scene, list[list[float]]]:
    """A scene and its objects' `pixel_coords`. A genuine scene stores no camera, so its width and height are 0.

    `InputError` names `where`, the wrong key and its value.
    """
    try:
        read = _Scene.model_validate(body)
    except ValidationError as error:
        raise InputError(f"{where}: {_first_problem(error)}; it must be a CLEVR v1.0 scene") from error
    camera = read.camera
    scene = Scene(
        objects=tuple(
            SceneObject(item.shape, item.size, item.color, item.material, item.rotation, _vector(item.coords))
            for item in read.objects
        ),
        width=camera.width if camera else 0,
        height=camera.height if camera else 0,
        camera=Camera(_vector(camera.position), camera.fov) if camera else Camera(),
        lights=Lights(**{name: _vector(moved) for name, moved in read.lights.items()}),
        viewpoint=_vector(camera.viewpoint) if camera else CAMERA_POSITION,
        name=read.image_filename.removesuffix(".png"),
        index=read.image_index,
        split=read.split,
    )
    return scene, [item.pixel_coords or [] for item in read.objects]


def _vector(point: Sequence[float]) -> Vector:
    x, y, z = point
    return (x, y, z)


def _first_problem(error: ValidationError) -> str:
    """The first problem, such as `objects.1.shape is 'cone': Input should be 'cube', …`."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(map(str, problem["loc"]))
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] in ("missing", "value_error"):
        return f"{place}: {message}" if place else message
    shown = repr(problem["input"])
    return f"{place} is {shown if len(shown) <= LONGEST_SHOWN else f'{shown[:LONGEST_SHOWN]}…'}: {message}"
