"""The three square lamps and the sun. Lamps are seen by nothing and shade nothing, as Blender's are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.core.clevr.mitsuba_scene import LAMPS, SUN_DIRECTION, SUN_IRRADIANCE, TURN
from stages.core.clevr.scene import Lights
from stages.core.clevr.tracer.backend import Color, Float, UInt, Vector, drjit, gather3

SUN = len(LAMPS)  # number of the sun; the lamps are 0, 1, 2
FAR = 1e3  # scene units; further than anything


@dataclass(frozen=True)
class LampTable:
    """Flat tables with a row a lamp: centre, the two sides, the way it faces, and its radiance times its area."""

    centre: Any
    side: Any
    rise: Any
    facing: Any
    power: Any


@dataclass(frozen=True)
class Beam:
    """Light that arrives: the way to it, how far, and the irradiance on a surface that faces it."""

    way: Any
    distance: Any
    irradiance: Any


def table(lights: Lights) -> LampTable:
    """The lamps of a scene, each moved by its jitter, turned as the bodies are."""
    rows: dict[str, list[Any]] = {"centre": [], "side": [], "rise": [], "facing": [], "power": []}
    for name, (place, side, radiance, color) in LAMPS.items():
        centre = TURN @ (np.asarray(place) + np.asarray(getattr(lights, name)))
        facing = -centre / np.linalg.norm(centre)
        across = np.cross((0.0, 0.0, 1.0), facing)
        across /= np.linalg.norm(across)
        rows["centre"].append(centre)
        rows["side"].append(across * side)
        rows["rise"].append(np.cross(facing, across) * side)
        rows["facing"].append(facing)
        rows["power"].append(np.asarray(color) * radiance * side * side)
    flat = {name: Float(np.asarray(row, dtype=np.float32).ravel()) for name, row in rows.items()}
    drjit.make_opaque(*flat.values())
    return LampTable(**flat)


def sun_way() -> Any:
    """The unit vector to the sun."""
    way = -(TURN @ np.asarray(SUN_DIRECTION))
    return Vector(*(float(part) for part in way / np.linalg.norm(way)))


def beam(lamps: LampTable, number: Any, spot: tuple[Any, Any], point: Any) -> Beam:
    """Light from a point of lamp `number`, chosen by `spot`, as it arrives at `point`."""
    away = on_lamp(lamps, number, spot) - point
    distance = drjit.norm(away)
    way = away / distance
    slant = drjit.maximum(-drjit.dot(way, gather3(lamps.facing, number)), 0)
    return Beam(way, distance * 0.9999, Color(gather3(lamps.power, number)) * (slant / (distance * distance)))


def sunbeam() -> Beam:
    return Beam(sun_way(), Float(FAR), Color(SUN_IRRADIANCE))


def any_beam(lamps: LampTable, choice: Any, spot: tuple[Any, Any], point: Any) -> Beam:
    """One of the four by chance, four times as strong."""
    number = drjit.minimum(UInt(choice * (SUN + 1)), UInt(SUN))
    lamp = beam(lamps, drjit.minimum(number, UInt(SUN - 1)), spot, point)
    sun, is_sun = sunbeam(), number == SUN
    return Beam(
        drjit.select(is_sun, sun.way, lamp.way),
        drjit.select(is_sun, sun.distance, lamp.distance),
        drjit.select(is_sun, sun.irradiance, lamp.irradiance) * (SUN + 1),
    )


def on_lamp(lamps: LampTable, number: Any, spot: tuple[Any, Any]) -> Any:
    """A point of the lamp's square."""
    number = UInt(number)
    side, rise = gather3(lamps.side, number), gather3(lamps.rise, number)
    return gather3(lamps.centre, number) + side * (spot[0] - 0.5) + rise * (spot[1] - 0.5)
