"""A CLEVR scene in Mitsuba's terms: camera, lights and sun, ground, meshes and materials.

The numbers are those of clevr-dataset-gen's base scene and materials, with Blender's watts turned into radiance.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from stages.core.clevr import meshes
from stages.core.clevr.meshes import TURN, Mesh
from stages.core.clevr.scene import Camera, Lights, Scene, SceneObject, Vector
from stages.core.clevr.vocabulary import COLORS
from stages.core.errors import require

VARIANT = "scalar_rgb"  # the only variant with the same bits on every processor that is fast for small pictures
EXTRA = "render"
MAX_DEPTH = 6  # path vertices; more change no pixel by a grey level
GROUND_REFLECTANCE = 0.8
SUN_DIRECTION = (-0.4145, 0.1946, -0.8890)
SUN_IRRADIANCE = 0.45
# Area lights are squares that face the origin: position, side, radiance, colour (linear).
AREA_LIGHTS: dict[str, tuple[Vector, float, float, Vector]] = {
    "key": ((6.4467, -2.9052, 4.2584), 0.5, 100.0, (1.0, 0.9323, 0.8167)),
    "fill": ((-4.6711, -4.0136, 3.0112), 0.5, 30.0, (0.7617, 0.8177, 1.0)),
    "back": ((-1.1685, 2.6460, 5.8157), 1.0, 12.5, (1.0, 1.0, 1.0)),
}
# Rubber: rough plastic (Beckmann) with weighted gloss. Metal: two GGX lobes; the bright one's share comes first.
PLASTIC = {"alpha": 0.35, "ior": 1.2, "gloss": 0.8}
METAL_BRIGHTNESS, DULL, BRIGHT = 0.6, 0.2, 0.03
FINE_PICTURE = 200  # pixels along the longer side; from here on, round edges need the fine meshes
FINE, COARSE = (10, 128), (2, 24)  # steps per bevel, segments per circle


@cache
def load_mitsuba() -> Any:
    """Mitsuba, set to one thread. `MissingExtra` if it is not installed."""
    mitsuba: Any = require("mitsuba", EXTRA)
    mitsuba.set_variant(VARIANT)
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    # Threads share the samples, so only one thread gives the same picture everywhere.
    require("drjit", EXTRA).set_thread_count(1)
    return mitsuba


def describe(scene: Scene) -> dict[str, Any]:
    """The scene as a dictionary for Mitsuba. Pictures below `FINE_PICTURE` get coarser meshes."""
    parts: dict[str, Any] = {
        "type": "scene",
        # volpath lets rays pass through the lights, whose surface is 'null', since Blender's lights are invisible too.
        "integrator": {"type": "volpath", "max_depth": MAX_DEPTH, "hide_emitters": True},
        "sensor": _sensor(scene.camera, scene.width, scene.height),
        "sun": {
            "type": "directional",
            "direction": _turned(SUN_DIRECTION),
            "irradiance": _rgb(SUN_IRRADIANCE),
        },
        "ground": _ground(),
    }
    parts |= {name: _area_light(name, scene.lights) for name in AREA_LIGHTS}
    detail = FINE if max(scene.width, scene.height) >= FINE_PICTURE else COARSE
    parts |= {object_name(number): _shape(item, detail) for number, item in enumerate(scene.objects)}
    return parts


def object_name(number: int) -> str:
    """The name of an object in Mitsuba's scene."""
    return f"object{number}"


def _sensor(camera: Camera, width: int, height: int) -> dict[str, Any]:
    film = {
        "type": "hdrfilm",
        "width": width,
        "height": height,
        "pixel_format": "rgb",
        # A box filter keeps pixels independent; other filters leave grain after denoising.
        "rfilter": {"type": "box"},
    }
    return {
        "type": "perspective",
        "fov_axis": "larger",
        "fov": camera.fov,
        "to_world": _facing_origin(camera.position),
        "film": film,
        "sampler": {"type": "multijitter"},  # evenly spread samples give less noise than independent ones
    }


def _area_light(name: str, lights: Lights) -> dict[str, Any]:
    place, side, radiance, color = AREA_LIGHTS[name]
    moved: Vector = getattr(lights, name)
    position = (place[0] + moved[0], place[1] + moved[1], place[2] + moved[2])
    return {
        "type": "rectangle",
        "to_world": _facing_origin(position) @ load_mitsuba().ScalarTransform4f().scale(side / 2),
        "bsdf": {"type": "null"},
        "emitter": {"type": "area", "radiance": _rgb([radiance * part for part in color])},
    }


def _facing_origin(position: Vector) -> Any:
    return load_mitsuba().ScalarTransform4f().look_at(origin=_turned(position), target=[0, 0, 0], up=[0, 0, 1])


@cache
def _ground() -> Any:
    flat = {"type": "diffuse", "reflectance": _rgb(GROUND_REFLECTANCE)}
    bsdf = load_mitsuba().load_dict({"type": "twosided", "below": flat})
    return _to_mesh("ground", meshes.ground().turned(TURN), bsdf)


def _shape(item: SceneObject, detail: tuple[int, int]) -> Any:
    bsdf = material(item.material, item.color)
    if item.shape == "sphere":
        return load_mitsuba().load_dict(
            {"type": "sphere", "center": _turned(item.coords), "radius": item.coords[2], "bsdf": bsdf}
        )
    steps, around = detail
    mesh = meshes.cube(steps) if item.shape == "cube" else meshes.cylinder(steps, around)
    return _to_mesh(item.shape, mesh.placed(item), bsdf)


@cache
def material(name: str, color: str) -> Any:
    """Mitsuba's BSDF for a CLEVR material and colour, made once per process."""
    tint = _rgb([part / 255 for part in COLORS[color]])
    if name == "rubber":
        surface: dict[str, Any] = {
            "type": "roughplastic",
            "distribution": "beckmann",
            "alpha": PLASTIC["alpha"],
            "int_ior": PLASTIC["ior"],
            "diffuse_reflectance": tint,
            "specular_reflectance": _rgb(PLASTIC["gloss"]),
        }
    else:
        surface = {
            "type": "blendbsdf",
            "weight": METAL_BRIGHTNESS,
            "dull": _metal(tint, DULL),
            "bright": _metal(tint, BRIGHT),
        }
    return load_mitsuba().load_dict({"type": "twosided", "below": surface})


def _metal(tint: dict[str, Any], roughness: float) -> dict[str, Any]:
    return {
        "type": "roughconductor",
        "distribution": "ggx",
        "alpha": roughness,
        "material": "none",
        "specular_reflectance": tint,
    }


def _to_mesh(name: str, mesh: Mesh, bsdf: Any) -> Any:
    mitsuba = load_mitsuba()
    properties = mitsuba.Properties()
    properties["bsdf"] = bsdf
    made = mitsuba.Mesh(name, len(mesh.vertices), len(mesh.faces), has_vertex_normals=True, props=properties)
    arrays = mitsuba.traverse(made)
    arrays["vertex_positions"] = np.ascontiguousarray(mesh.vertices, dtype=np.float32).ravel()
    arrays["vertex_normals"] = np.ascontiguousarray(mesh.normals, dtype=np.float32).ravel()
    arrays["faces"] = np.ascontiguousarray(mesh.faces, dtype=np.uint32).ravel()
    arrays.update()
    return made


def _turned(point: Vector) -> list[float]:
    return [float(part) for part in TURN @ np.asarray(point)]


def _rgb(value: float | list[float]) -> dict[str, Any]:
    return {"type": "rgb", "value": value}
