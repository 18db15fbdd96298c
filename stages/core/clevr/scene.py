"""A CLEVR scene as plain values: objects on the ground, the camera, and the lights' offsets."""

from __future__ import annotations

from dataclasses import dataclass, field

Vector = tuple[float, float, float]

# CLEVR's camera before its jitter: it looks at the origin, and z is up (base_scene.blend of clevr-dataset-gen).
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
    """A pinhole camera that looks at the origin with z up. `fov` is in degrees along the picture's longer side."""

    position: Vector = CAMERA_POSITION
    fov: float = CAMERA_FOV


@dataclass(frozen=True)
class Lights:
    """Each light's offset from its usual position, in scene units. The sun never moves."""

    key: Vector = NOT_MOVED
    fill: Vector = NOT_MOVED
    back: Vector = NOT_MOVED


@dataclass(frozen=True)
class Scene:
    """Everything that a picture depends on, and the scene's name.

    `width` and `height` are in pixels. `viewpoint` is the camera's position before its jitter, which defines left,
    right, front and behind. `name` names the scene in messages and is its picture's base name.
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
