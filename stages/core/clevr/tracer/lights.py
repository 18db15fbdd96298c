"""The three square lights and the sun. As in Blender, rays do not hit the lights, and the lights cast no shadow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.core.clevr.meshes import TURN
from stages.core.clevr.mitsuba_scene import AREA_LIGHTS, SUN_DIRECTION, SUN_IRRADIANCE
from stages.core.clevr.scene import Lights
from stages.core.clevr.tracer.backend import Color, Float, UInt, Vector, drjit, floats

SUN = len(AREA_LIGHTS)  # the sun's number; the area lights are 0, 1, 2
FAR = 1e3  # scene units; farther than anything


@dataclass(frozen=True)
class LightTable:
    """Flat tables with one row per light: centre, the two sides, facing direction, and radiance times area."""

    center: Any
    side: Any
    rise: Any
    facing: Any
    power: Any


@dataclass(frozen=True)
class LightSample:
    """Incoming light: the direction to it, the distance, and the irradiance on a surface that faces it."""

    direction: Any
    distance: Any
    irradiance: Any


def light_table(lights: Lights) -> LightTable:
    """The area lights of a scene, each moved by its jitter and turned like the geometry."""
    rows: dict[str, list[Any]] = {"center": [], "side": [], "rise": [], "facing": [], "power": []}
    for name, (place, side, radiance, color) in AREA_LIGHTS.items():
        center = TURN @ (np.asarray(place) + np.asarray(getattr(lights, name)))
        facing = -center / np.linalg.norm(center)
        across = np.cross((0.0, 0.0, 1.0), facing)
        across /= np.linalg.norm(across)
        rows["center"].append(center)
        rows["side"].append(across * side)
        rows["rise"].append(np.cross(facing, across) * side)
        rows["facing"].append(facing)
        rows["power"].append(np.asarray(color) * radiance * side * side)
    flat = {name: floats(row) for name, row in rows.items()}
    drjit.make_opaque(*flat.values())
    return LightTable(**flat)


def sun_direction() -> Any:
    """The unit vector to the sun."""
    direction = -(TURN @ np.asarray(SUN_DIRECTION))
    return Vector(*(float(part) for part in direction / np.linalg.norm(direction)))


def sample_light(lights: LightTable, number: Any, sample: tuple[Any, Any], point: Any) -> LightSample:
    """Light that arrives at `point` from a point of area light `number`, chosen by `sample`."""
    away = point_on_light(lights, number, sample) - point
    distance = drjit.norm(away)
    direction = away / distance
    slant = drjit.maximum(-drjit.dot(direction, drjit.gather(Vector, lights.facing, number)), 0)
    power = Color(drjit.gather(Vector, lights.power, number))
    return LightSample(direction, distance * 0.9999, power * (slant / (distance * distance)))


def sample_sun() -> LightSample:
    return LightSample(sun_direction(), Float(FAR), Color(SUN_IRRADIANCE))


def sample_any_light(lights: LightTable, choice: Any, sample: tuple[Any, Any], point: Any) -> LightSample:
    """A random one of the four lights, four times as strong."""
    number = drjit.minimum(UInt(choice * (SUN + 1)), UInt(SUN))
    area = sample_light(lights, drjit.minimum(number, UInt(SUN - 1)), sample, point)
    sun, is_sun = sample_sun(), number == SUN
    return LightSample(
        drjit.select(is_sun, sun.direction, area.direction),
        drjit.select(is_sun, sun.distance, area.distance),
        drjit.select(is_sun, sun.irradiance, area.irradiance) * (SUN + 1),
    )


def point_on_light(lights: LightTable, number: Any, sample: tuple[Any, Any]) -> Any:
    """A point on the light's square."""
    number = UInt(number)
    side, rise = drjit.gather(Vector, lights.side, number), drjit.gather(Vector, lights.rise, number)
    return drjit.gather(Vector, lights.center, number) + side * (sample[0] - 0.5) + rise * (sample[1] - 0.5)
