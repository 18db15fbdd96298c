"""A CLEVR scene as plain values: objects on the ground, the camera, and how far the lights are moved."""

from __future__ import annotations

from dataclasses import dataclass, field

Vector = tuple[float, float, float]

# The camera of CLEVR before its jitter: it looks at the origin, z is up (base_scene.blend of clevr-dataset-gen).
CAMERA_POSITION: Vector = (7.481131553649902, -6.5076398849487305, 5.34366512298584)
CAMERA_FOV = 49.13434207760448  # degrees along the picture's longer side: a 35 mm lens on a 32 mm sensor
NOT_MOVED: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class SceneObject:
    """One object. `coords` is its centre; `coords[2]` is also its radius, since it stands on the ground.

    `rotation` is the number that CLEVR stores; pictures turn the object by that many radians (sic) about z.
    """

    shape: str
    size: str
    color: str
    material: str
    rotation: float
    coords: Vector


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks at the origin with z up. `fov` in degrees along the picture's longer side."""

    position: Vector = CAMERA_POSITION
    fov: float = CAMERA_FOV


@dataclass(frozen=True)
class Lights:
    """How far each light is moved from its place, in scene units. The sun never moves."""

    key: Vector = NOT_MOVED
    fill: Vector = NOT_MOVED
    back: Vector = NOT_MOVED


@dataclass(frozen=True)
class Scene:
    """Everything a picture depends on, and what the scene is called.

    `width`, `height` in pixels. `viewpoint` is the camera's place before its jitter, from which left, right, front and
    behind are judged. `name` names the scene in messages and is its picture's base name.
    """

    objects: tuple[SceneObject, ...]
    width: int
    height: int
    camera: Camera = field(default_factory=Camera)
    lights: Lights = field(default_factory=Lights)
    viewpoint: Vector = CAMERA_POSITION
    name: str = ""
    index: int = 0
    split: str = "new"
