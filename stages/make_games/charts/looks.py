"""What decides a chart's picture but its values.

A chart's style is drawn by the pair's seed alone, from matplotlib's own style sheets and palettes and what people
choose on top of them, so that nothing of it depends on the values or on which picture is the original.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import matplotlib
from matplotlib.colors import to_hex

from stages.core.recipe.charts import Kind
from stages.make_games.charts.numbers import Format

BARS = ("bar", "grouped", "stacked")


@dataclass(frozen=True)
class Style:
    """How a chart looks, whatever it shows. Kinds read the parts that concern them."""

    sheet: str  # one of matplotlib's style sheets
    palette: str  # one of its colour sequences
    font: str
    text_scale: float  # words, times the recipe's text size
    title: str  # left or center
    bold_title: bool
    legend: str  # bottom or right
    note: bool  # a line that names the file
    horizontal: bool  # bars; upright where False
    value_axis: bool  # for bars: where their numbers are written, they may do without
    value_labels: bool
    grid: bool
    box: bool  # lines on all four sides of the plot
    ticks: int  # steps of the value axis, at most
    separator: str  # of thousands
    bar_width: float  # of the room that a row has
    bar_edge: str  # colour of the edges; none
    one_colour: bool  # bars of a single series
    marker: str  # of a line's points; empty: none
    line_width: float  # times a fifth of the text's height
    from_zero: bool  # a line's axis
    hole: float  # of a pie, share of its radius
    start: float  # of the first slice, degrees anticlockwise from the right
    clockwise: bool
    outside: bool  # a pie's labels beside it instead of a legend
    share_labels: bool  # a pie's numbers as per cent of the whole


@dataclass(frozen=True)
class Chart:
    """How a table is drawn, whatever its values are."""

    kind: Kind
    title: str
    note: str
    width: int  # pixels
    height: int
    text: float  # height of the small words, pixels
    style: Style
    fonts: tuple[str, ...]
    numbers: Format  # how values are written
    horizontal: bool
    value_labels: bool

    @property
    def has_axis(self) -> bool:
        """Whether the value axis has numbers: it must, where the values have none."""
        return self.style.value_axis or not self.value_labels or self.kind not in ("bar", "grouped")

    def colour(self, number: int) -> str:
        palette = matplotlib.color_sequences[self.style.palette]
        return to_hex(palette[number % len(palette)])


_WHITE = ("default", "default", "seaborn-v0_8-whitegrid", "seaborn-v0_8-ticks")
_OPTIONS: Mapping[str, tuple[Any, ...]] = {
    "sheet": (*_WHITE, *_WHITE, "ggplot", "bmh", "fivethirtyeight", "seaborn-v0_8-darkgrid"),
    "palette": ("tab10", "tab10", "Dark2", "Set2", "Set1", "Accent", "Paired", "petroff8"),  # at least 8 colours each
    "font": ("DejaVu Sans", "DejaVu Sans", "DejaVu Serif"),
    "text_scale": (0.95, 1.0, 1.1),
    "title": ("left", "center"),
    "bold_title": (True, False),
    "legend": ("bottom", "right"),
    "note": (True, False),
    "horizontal": (True, False),
    "value_axis": (True, True, False),
    "value_labels": (True, False),
    "grid": (True, False),
    "box": (True, False, False),
    "ticks": (5, 6, 8),
    "separator": (",", ",", "\u202f"),
    "bar_width": (0.55, 0.65, 0.75, 0.85),
    "bar_edge": ("none", "none", "#222222"),
    "one_colour": (True, True, False),
    "marker": ("", "o", "s", "D"),
    "line_width": (0.9, 1.1, 1.4),
    "from_zero": (True, False),
    "hole": (0.0, 0.0, 0.5),
    "start": (90.0, 90.0, 0.0, 30.0, 200.0),
    "clockwise": (True, False),
    "outside": (True, False),
    "share_labels": (True, False),
}


def draw_style(draw: Random) -> Style:
    """One of each option."""
    return Style(**{name: draw.choice(options) for name, options in _OPTIONS.items()})
