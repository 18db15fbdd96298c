"""The scene for ray casting: one merged mesh, and the camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.clevr import meshes
from stages.core.clevr.camera import axes, focal_length
from stages.core.clevr.meshes import TURN
from stages.core.clevr.mitsuba_scene import FINE, GROUND_REFLECTANCE
from stages.core.clevr.scene import Scene, SceneObject
from stages.core.clevr.tracer.backend import Color, Float, Indices, Mask, UInt, Vector, drjit, floats, integers, mitsuba
from stages.core.clevr.vocabulary import COLORS

GROUND = 0  # the ground's number; objects follow in scene order, from 1
DIFFUSE, RUBBER, METAL = 0, 1, 2
SPHERE_STEPS = (40, 80)  # a sphere's mesh only catches rays; its intersection is computed exactly
EPSILON = 2e-4  # rays start this far from a surface, times 1 + distance from the origin


@dataclass(frozen=True)
class Geometry:
    """What rays can hit. Arrays are flat. Tables have a row for the ground and one for each object."""

    scene: Any  # Mitsuba's scene, for ray casts
    vertices: Any
    normals: Any
    faces: Any
    owner: Any  # of each triangle
    reflectance: Any  # (N, 3)
    material: Any  # (N) DIFFUSE, RUBBER or METAL
    center: Any  # (N, 3)
    radius: Any  # (N) of spheres; 0 for others
    metal: tuple[tuple[int, tuple[float, float, float], float], ...]  # number, bounding sphere's centre and radius


@dataclass(frozen=True)
class Hit:
    """Where rays hit. `normal` is for shading and faces the viewer; `geometric_normal` is the surface's own."""

    valid: Any
    point: Any
    normal: Any
    geometric_normal: Any
    owner: Any
    material: Any
    reflectance: Any

    def spawn_point(self) -> Any:
        """Where rays that leave the surface start."""
        return self.point + self.geometric_normal * (EPSILON * (1 + drjit.norm(self.point)))


@dataclass(frozen=True)
class View:
    """The camera. `rows`: its position, right, up and forward, flat. Focal length and picture size are in pixels."""

    rows: Any
    focal: Any
    width: Any
    height: Any

    def row(self, number: int) -> Any:
        return drjit.gather(Vector, self.rows, UInt(number))


def build(scene: Scene) -> Geometry:
    """Merge the ground and the objects of `scene`, with the same turn as for Mitsuba."""
    parts = [meshes.ground().turned(TURN), *(_placed(item) for item in scene.objects)]
    starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
    vertices = np.concatenate([part.vertices for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)])
    centers = [np.zeros(3), *(TURN @ np.asarray(item.coords) for item in scene.objects)]
    tints = [[part / 255 for part in COLORS[item.color]] for item in scene.objects]
    return Geometry(
        scene=_ray_casting_scene(vertices, faces),
        vertices=floats(vertices),
        normals=floats(np.concatenate([part.normals for part in parts])),
        faces=integers(faces),
        owner=integers(np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])),
        reflectance=floats([[GROUND_REFLECTANCE] * 3, *tints]),
        material=integers([DIFFUSE, *(RUBBER if item.material == "rubber" else METAL for item in scene.objects)]),
        center=floats(np.stack(centers)),
        radius=floats([0.0, *(item.coords[2] if item.shape == "sphere" else 0.0 for item in scene.objects)]),
        metal=tuple(
            (number, tuple(centers[number]), _bounding_radius(item))
            for number, item in enumerate(scene.objects, start=1)
            if item.material == "metal"
        ),
    )


def intersect(geometry: Geometry, ray: Any, active: Any, *, coherent: bool = False) -> Hit:
    """The nearest surface along each ray."""
    found = geometry.scene.ray_intersect_preliminary(ray, coherent=coherent, active=active)
    valid = active & found.is_valid()
    face = drjit.gather(Indices, geometry.faces, found.prim_index, valid)
    owner = drjit.gather(UInt, geometry.owner, found.prim_index, valid)
    second, third = found.prim_uv.x, found.prim_uv.y
    corners = [drjit.gather(Vector, geometry.vertices, corner, valid) for corner in face]
    normals = [drjit.gather(Vector, geometry.normals, corner, valid) for corner in face]
    point = corners[0] * (1 - second - third) + corners[1] * second + corners[2] * third
    normal = drjit.normalize(normals[0] * (1 - second - third) + normals[1] * second + normals[2] * third)
    geometric = drjit.normalize(drjit.cross(corners[1] - corners[0], corners[2] - corners[0]))
    point, normal, geometric = _on_sphere(geometry, owner, ray, valid, point, normal, geometric)
    geometric = drjit.select(drjit.dot(geometric, ray.d) > 0, -geometric, geometric)
    back = -drjit.dot(normal, ray.d)
    # Interpolated normals may point away from the viewer at outlines; turn them back to just face it.
    normal = drjit.select(back < 0, drjit.normalize(normal + 1.02 * back * ray.d), normal)
    reflectance = Color(drjit.gather(Vector, geometry.reflectance, owner, valid))
    material = drjit.gather(UInt, geometry.material, owner, valid)
    return Hit(valid, point, normal, geometric, owner, material, reflectance)


def occluded(geometry: Geometry, origin: Any, direction: Any, distance: Any, active: Any) -> Any:
    """Whether anything is between `origin` and the point at `distance` along `direction`."""
    ray = mitsuba.Ray3f(origin, direction, distance, 0.0, [])
    return geometry.scene.ray_test(ray, coherent=False, active=active)


def view_of(scene: Scene) -> View:
    place = TURN @ np.asarray(scene.camera.position)
    right, up, backward = axes(place)
    rows = floats(np.concatenate([place, right, up, -backward]))
    focal = Float(focal_length(scene.camera.fov, scene.width, scene.height))
    width, height = UInt(scene.width), UInt(scene.height)
    drjit.make_opaque(rows, focal, width, height)  # so that other values use the same kernel
    return View(rows, focal, width, height)


def camera_rays(view: View, pixel: Any, sample: tuple[Any, Any]) -> Any:
    """Rays through the point `sample`, in [0, 1)², of each pixel (numbered row by row)."""
    row = pixel // view.width
    across = (Float(pixel - row * view.width) + sample[0] - Float(view.width) / 2) / view.focal
    down = (Float(row) + sample[1] - Float(view.height) / 2) / view.focal
    direction = view.row(3) + across * view.row(1) - down * view.row(2)
    return mitsuba.Ray3f(view.row(0), drjit.normalize(direction))


def pixel_of(view: View, point: Any) -> tuple[Any, Any, Any, Any]:
    """Pixel, whether it is in the picture, unit direction to the camera, radiance in the pixel per flux · BRDF · cos.

    The last is 1 / (distance² · the pixel's solid angle), where the solid angle is cos³ / focal².
    """
    away = point - view.row(0)
    depth = drjit.dot(away, view.row(3))
    x = view.focal * drjit.dot(away, view.row(1)) / depth + Float(view.width) / 2
    y = Float(view.height) / 2 - view.focal * drjit.dot(away, view.row(2)) / depth
    inside = (depth > 0) & (x >= 0) & (y >= 0) & (x < Float(view.width)) & (y < Float(view.height))
    distance = drjit.norm(away)
    cosine = depth / distance
    strength = view.focal * view.focal / (distance * distance * cosine * cosine * cosine)
    pixel = drjit.select(inside, UInt(drjit.maximum(y, 0)) * view.width + UInt(drjit.maximum(x, 0)), 0)
    return pixel, inside, -away / distance, strength


def _on_sphere(
    geometry: Geometry, owner: Any, ray: Any, valid: Any, point: Any, normal: Any, geometric: Any
) -> tuple[Any, Any, Any]:
    """The exact intersection if the triangle belongs to a sphere."""
    radius = drjit.gather(Float, geometry.radius, owner, valid)
    center = drjit.gather(Vector, geometry.center, owner, valid)
    offset = ray.o - center
    half = drjit.dot(offset, ray.d)
    inside = half * half - drjit.dot(offset, offset) + radius * radius
    exact: Mask = (radius > 0) & (inside > 0)
    on_sphere = ray.o + ray.d * (-half - drjit.sqrt(drjit.maximum(inside, 0)))
    radial = drjit.normalize(on_sphere - center)
    return (
        drjit.select(exact, on_sphere, point),
        drjit.select(exact, radial, normal),
        drjit.select(exact, radial, geometric),
    )


def _placed(item: SceneObject) -> meshes.Mesh:
    if item.shape == "sphere":
        return meshes.sphere(*SPHERE_STEPS).placed(item)
    return (meshes.cube(FINE[0] // 2) if item.shape == "cube" else meshes.cylinder(FINE[0] // 2, FINE[1])).placed(item)


def _bounding_radius(item: SceneObject) -> float:
    farthest = {"sphere": 1.0, "cylinder": np.sqrt(2), "cube": np.sqrt(3)}[item.shape]
    return float(item.coords[2] * farthest)


def _ray_casting_scene(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> Any:
    mesh = mitsuba.Mesh("merged", len(vertices), len(faces))
    arrays = mitsuba.traverse(mesh)
    arrays["vertex_positions"] = floats(vertices)
    arrays["faces"] = integers(faces)
    arrays.update()
    return mitsuba.load_dict({"type": "scene", "merged": mesh}, parallel=False)
