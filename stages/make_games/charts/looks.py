"""What charts look like: a handful of looks, as newspapers, statistics portals and spreadsheets draw them.

A look lists what a style may have; a chart's style is drawn from it by the pair's seed alone, so that nothing of it
depends on the values or on which picture is the original.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

# Eight colours each, so that seven slices differ; neighbours differ in lightness too where they can.
PALETTES: Mapping[str, tuple[str, ...]] = {
    "blue first": ("#2a6fbb", "#16304f", "#a9b4bf", "#b3352d", "#6fa03c", "#e0a526", "#7b5aa6", "#3fa7a0"),
    "muted": ("#8a8d3c", "#3f6a8a", "#c2a04a", "#6d4c41", "#a8b8a0", "#b5614a", "#54606b", "#d8c9a3"),
    "bright": ("#3b6bd6", "#d9453b", "#efb320", "#2e9e59", "#8e44ad", "#ef7d2b", "#23a6c4", "#7a8288"),
    "soft": ("#6ea6cd", "#f2a97e", "#8cc28a", "#d889a0", "#b6a3d3", "#cdbb62", "#79c4c2", "#9c9c9c"),
    "deep": ("#27476e", "#c0652e", "#3f7d58", "#8e2f47", "#5d5a88", "#b38a2e", "#2f7f8c", "#6e6259"),
    "earth": ("#7c4a2d", "#c88a3d", "#4f6b3a", "#a63d2f", "#d9b382", "#5b7f86", "#8c7b6b", "#2e3b32"),
    "teal first": ("#1f8a8a", "#f0a04b", "#34495e", "#c85c5c", "#8fbf6a", "#7f6bb0", "#d4c04a", "#96a3a8"),
    "greys and red": ("#b8352a", "#4a4a4a", "#9a9a9a", "#e09a8c", "#6c7d8c", "#cfcfcf", "#7a2b25", "#2c3e50"),
}


@dataclass(frozen=True)
class Style:
    """How a chart looks, whatever it shows. Kinds read the parts that concern them."""

    look: str
    palette: tuple[str, ...]
    background: str
    ink: str  # titles
    soft_ink: str  # labels
    font: str
    text_scale: float  # words, times the recipe's text size
    title: str  # left, center, none
    bold_title: bool
    legend: str  # top, bottom, right
    note: bool  # a line that names the file
    axis_title: bool
    horizontal: bool  # bars; upright where False
    value_axis: bool
    value_labels: bool
    grid: str  # none, solid, dashed, dotted
    spines: str  # none, base, corner, box
    tick_marks: bool
    ticks: int  # steps of the value axis, at most
    separator: str  # of thousands
    bar_width: float  # of the room that a row has
    bar_edge: str  # none, light, dark
    one_colour: bool  # bars of a single series
    marker: str  # of a line's points; empty: none
    line_width: float  # times a fifth of the text's height
    from_zero: bool  # a line's axis
    end_labels: bool  # a line's name at its end instead of a legend
    hole: float  # of a pie, share of its radius
    start: float  # of the first slice, degrees anticlockwise from the right
    clockwise: bool
    outside: bool  # a pie's labels beside it instead of a legend
    share_labels: bool  # a pie's numbers as per cent of the whole


Options = Mapping[str, tuple[Any, ...]]

_COMMON: Options = {
    "palette": tuple(PALETTES.values()),
    "background": ("#ffffff",),
    "ink": ("#1c1c1c", "#262a33"),
    "soft_ink": ("#4d4d4d", "#5a6068"),
    "font": ("DejaVu Sans",),
    "text_scale": (0.95, 1.0, 1.1),
    "title": ("left", "center"),
    "bold_title": (True, False),
    "legend": ("top", "bottom", "right"),
    "note": (False,),
    "axis_title": (True, False),
    "horizontal": (False, True),
    "value_axis": (True,),
    "value_labels": (True, False),
    "grid": ("solid", "none"),
    "spines": ("base", "corner"),
    "tick_marks": (False, True),
    "ticks": (5, 6, 8),
    "separator": (",",),
    "bar_width": (0.55, 0.65, 0.75, 0.85),
    "bar_edge": ("none",),
    "one_colour": (True, True, False),
    "marker": ("", "o"),
    "line_width": (0.9, 1.1, 1.4),
    "from_zero": (True, False),
    "end_labels": (False,),
    "hole": (0.0, 0.0, 0.5),
    "start": (90.0, 90.0, 0.0, 30.0, 200.0),
    "clockwise": (True, False),
    "outside": (True, False),
    "share_labels": (True, False),
}

LOOKS: Mapping[str, Options] = {
    "portal": {  # upright bars in blue with their numbers, a light grid, the legend below
        "palette": (PALETTES["blue first"], PALETTES["blue first"], PALETTES["teal first"], PALETTES["deep"]),
        "title": ("none", "left"),
        "legend": ("bottom",),
        "note": (True, False),
        "horizontal": (False, False, False, True),
        "value_labels": (True, True, False),
        "grid": ("dotted", "solid"),
        "spines": ("base",),
        "separator": (",", "\u202f"),
        "axis_title": (True,),
        "one_colour": (True,),
        "marker": ("o",),
        "background": ("#ffffff", "#fafafa"),
    },
    "survey": {  # lying bars with numbers instead of an axis, no grid, muted colours
        "palette": (PALETTES["muted"], PALETTES["earth"], PALETTES["muted"], PALETTES["greys and red"]),
        "title": ("left",),
        "bold_title": (True,),
        "legend": ("top",),
        "note": (True,),
        "axis_title": (False,),
        "horizontal": (True, True, True, False),
        "value_axis": (False,),
        "value_labels": (True,),
        "grid": ("none",),
        "spines": ("base", "none"),
        "tick_marks": (False,),
        "bar_width": (0.6, 0.7, 0.8),
        "one_colour": (True,),
        "marker": ("", "o", "s"),
    },
    "atlas": {  # lines named at their ends over a dashed grid, a serif title, lying bars
        "font": ("DejaVu Serif", "DejaVu Sans"),
        "palette": (PALETTES["deep"], PALETTES["earth"], PALETTES["soft"], PALETTES["teal first"]),
        "title": ("left",),
        "bold_title": (False, True),
        "legend": ("right", "top"),
        "note": (True,),
        "horizontal": (True, True, False),
        "grid": ("dashed",),
        "spines": ("base", "none"),
        "end_labels": (True,),
        "from_zero": (True, True, False),
        "one_colour": (True, False),
    },
    "sheet": {  # as a spreadsheet draws: title in the middle, full grid, strong colours
        "palette": (PALETTES["bright"], PALETTES["soft"], PALETTES["bright"], PALETTES["blue first"]),
        "title": ("center",),
        "legend": ("right", "bottom"),
        "horizontal": (False, False, True),
        "value_labels": (False, False, True),
        "grid": ("solid",),
        "spines": ("base", "box"),
        "bar_edge": ("none", "light", "dark"),
        "marker": ("o", "s", "D", ""),
        "background": ("#ffffff", "#ffffff", "#f6f6f2"),
    },
    "paper": {  # as in articles: a box, tick marks, serifs or not, thin edges
        "font": ("DejaVu Serif", "DejaVu Serif", "DejaVu Sans"),
        "palette": tuple(PALETTES.values()),
        "title": ("center", "none"),
        "bold_title": (False,),
        "legend": ("top", "right"),
        "axis_title": (True,),
        "value_labels": (False, False, True),
        "grid": ("none", "dotted"),
        "spines": ("box", "corner"),
        "tick_marks": (True,),
        "bar_edge": ("dark", "none"),
        "marker": ("o", "s", "^", "D"),
        "from_zero": (False, False, True),
    },
}


def draw_style(draw: Random) -> Style:
    """A look, and of its options one each."""
    look = draw.choice(list(LOOKS))
    options = {**_COMMON, **LOOKS[look]}
    return Style(look=look, **{name: draw.choice(options[name]) for name in _COMMON})
