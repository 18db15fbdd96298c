"""CLEVR v1.0's words and their values: shapes, sizes, colours, materials."""

from __future__ import annotations

from types import MappingProxyType

SHAPES = ("cube", "sphere", "cylinder")
MATERIALS = ("rubber", "metal")

# Size word -> radius in scene units: half the side of a cube, half the height of a cylinder.
RADII = MappingProxyType({"large": 0.7, "small": 0.35})
SIZES = tuple(RADII)

# Colour word -> RGB, 0 to 255. CLEVR passes these to its renderer as if they were linear light.
COLORS = MappingProxyType(
    {
        "gray": (87, 87, 87),
        "red": (173, 35, 35),
        "blue": (42, 75, 215),
        "green": (29, 105, 20),
        "brown": (129, 74, 25),
        "purple": (129, 38, 192),
        "cyan": (41, 208, 208),
        "yellow": (255, 238, 51),
    }
)

# The attributes that can change without moving or resizing an object.
CHANGEABLE = MappingProxyType({"color": tuple(COLORS), "shape": SHAPES, "material": MATERIALS})
