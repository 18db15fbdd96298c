"""The scene as one merged mesh, and where rays hit it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.clevr import meshes
from stages.core.clevr.mitsuba_scene import FINE, GROUND_REFLECTANCE, TURN
from stages.core.clevr.scene import Scene, SceneObject
from stages.core.clevr.tracer.backend import Color, Float, Mask, UInt, Vector, drjit, gather3, gather3u, mitsuba
from stages.core.clevr.vocabulary import COLORS

GROUND = 0  # number of the ground; objects follow in the scene's order, from 1
DIFFUSE, RUBBER, METAL = 0, 1, 2
SPHERE_STEPS = (40, 80)  # its mesh only catches the rays; where they hit is computed exactly
LEAVE = 2e-4  # rays start this far off a surface, times 1 + distance from the origin


@dataclass(frozen=True)
class Body:
    """What rays can hit. Arrays are flat; tables have a row for the ground and one for each object."""

    scene: Any  # of Mitsuba, for its ray casts
    vertices: Any
    normals: Any
    faces: Any
    owner: Any  # of each triangle
    tint: Any  # (N, 3) reflectance
    kind: Any  # (N) DIFFUSE, RUBBER or METAL
    ball: Any  # (N, 3) centres
    radius: Any  # (N) of spheres; 0 for what is none
    metal: tuple[tuple[int, tuple[float, float, float], float], ...]  # number, centre and reach of each metal object


@dataclass(frozen=True)
class Hit:
    """Where rays hit. `normal` is for shading and faces the viewer; `outside` is the surface's own."""

    valid: Any
    point: Any
    normal: Any
    outside: Any
    owner: Any
    kind: Any
    tint: Any

    def leaving(self) -> Any:
        """Where rays that leave the surface start."""
        return self.point + self.outside * (LEAVE * (1 + drjit.norm(self.point)))


def build(scene: Scene) -> Body:
    """Merge the ground and the objects of `scene`, turned as for Mitsuba."""
    floor = meshes.ground()
    parts = [meshes.Mesh(floor.vertices @ TURN.T, floor.normals @ TURN.T, floor.faces)]
    parts += [_placed(item) for item in scene.objects]
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    vertices = np.concatenate([part.vertices for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)])
    centres = [np.zeros(3), *(TURN @ np.asarray(item.coords) for item in scene.objects)]
    return Body(
        scene=_casting_scene(vertices, faces),
        vertices=_floats(vertices),
        normals=_floats(np.concatenate([part.normals for part in parts])),
        faces=_whole(faces),
        owner=_whole(np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])),
        tint=_floats([[GROUND_REFLECTANCE] * 3, *([part / 255 for part in COLORS[o.color]] for o in scene.objects)]),
        kind=_whole([DIFFUSE, *(RUBBER if item.material == "rubber" else METAL for item in scene.objects)]),
        ball=_floats(np.stack(centres)),
        radius=_floats([0.0, *(item.coords[2] if item.shape == "sphere" else 0.0 for item in scene.objects)]),
        metal=tuple(
            (number, tuple(centres[number]), _reach(item))
            for number, item in enumerate(scene.objects, start=1)
            if item.material == "metal"
        ),
    )


def cast(body: Body, ray: Any, active: Any, *, coherent: bool = False) -> Hit:
    """The nearest surface along each ray."""
    found = body.scene.ray_intersect_preliminary(ray, coherent=coherent, active=active)
    valid = active & found.is_valid()
    face = gather3u(body.faces, found.prim_index, valid)
    owner = drjit.gather(UInt, body.owner, found.prim_index, valid)
    second, third = found.prim_uv.x, found.prim_uv.y
    corners = [gather3(body.vertices, corner, valid) for corner in face]
    bends = [gather3(body.normals, corner, valid) for corner in face]
    point = corners[0] * (1 - second - third) + corners[1] * second + corners[2] * third
    normal = drjit.normalize(bends[0] * (1 - second - third) + bends[1] * second + bends[2] * third)
    outside = drjit.normalize(drjit.cross(corners[1] - corners[0], corners[2] - corners[0]))
    point, normal, outside = _on_sphere(body, owner, ray, valid, point, normal, outside)
    outside = drjit.select(drjit.dot(outside, ray.d) > 0, -outside, outside)
    back = -drjit.dot(normal, ray.d)
    # Interpolated normals may point away from the viewer at outlines; they are bent back to just facing it.
    normal = drjit.select(back < 0, drjit.normalize(normal + 1.02 * back * ray.d), normal)
    tint = Color(gather3(body.tint, owner, valid))
    return Hit(valid, point, normal, outside, owner, drjit.gather(UInt, body.kind, owner, valid), tint)


def blocked(body: Body, origin: Any, way: Any, distance: Any, active: Any) -> Any:
    """Whether something stands between `origin` and the point `distance` along `way`."""
    ray = mitsuba.Ray3f(origin, way, distance, 0.0, [])
    return body.scene.ray_test(ray, coherent=False, active=active)


def _on_sphere(
    body: Body, owner: Any, ray: Any, valid: Any, point: Any, normal: Any, outside: Any
) -> tuple[Any, Any, Any]:
    """The exact hit where the triangle stands for a sphere."""
    radius = drjit.gather(Float, body.radius, owner, valid)
    centre = gather3(body.ball, owner, valid)
    off = ray.o - centre
    half = drjit.dot(off, ray.d)
    inside = half * half - drjit.dot(off, off) + radius * radius
    exact: Mask = (radius > 0) & (inside > 0)
    spot = ray.o + ray.d * (-half - drjit.sqrt(drjit.maximum(inside, 0)))
    bend = drjit.normalize(spot - centre)
    return (
        drjit.select(exact, spot, point),
        drjit.select(exact, bend, normal),
        drjit.select(exact, bend, outside),
    )


def _placed(item: SceneObject) -> meshes.Mesh:
    shape = {
        "cube": lambda: meshes.cube(FINE[0] // 2),
        "cylinder": lambda: meshes.cylinder(FINE[0] // 2, FINE[1]),
        "sphere": lambda: meshes.sphere(*SPHERE_STEPS),
    }[item.shape]()
    # CLEVR drew its rotation in degrees, but its renderer took the number as radians.
    cos, sin = np.cos(item.rotation), np.sin(item.rotation)
    turn = TURN @ np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    vertices = item.coords[2] * (shape.vertices @ turn.T) + TURN @ np.asarray(item.coords)
    return meshes.Mesh(vertices, shape.normals @ turn.T, shape.faces)


def _reach(item: SceneObject) -> float:
    """Radius of a ball around the object."""
    farthest = {"sphere": 1.0, "cylinder": np.sqrt(2), "cube": np.sqrt(3)}[item.shape]
    return float(item.coords[2] * farthest)


def _casting_scene(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> Any:
    mesh = mitsuba.Mesh("body", len(vertices), len(faces))
    arrays = mitsuba.traverse(mesh)
    arrays["vertex_positions"] = _floats(vertices)
    arrays["faces"] = _whole(faces)
    arrays.update()
    return mitsuba.load_dict({"type": "scene", "body": mesh}, parallel=False)


def _floats(values: Any) -> Any:
    return Float(np.ascontiguousarray(values, dtype=np.float32).ravel())


def _whole(values: Any) -> Any:
    return UInt(np.ascontiguousarray(values, dtype=np.uint32).ravel())


__all__ = ["DIFFUSE", "GROUND", "METAL", "RUBBER", "Body", "Hit", "Vector", "blocked", "build", "cast"]
