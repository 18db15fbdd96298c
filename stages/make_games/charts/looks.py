"""Everything that decides a chart's picture, except its values.

The pair's seed alone picks a chart's style, from matplotlib's own style sheets and palettes and from common choices on
top of them. The style never depends on the values or on which picture is the original.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from random import Random
from typing import Any

import matplotlib
from matplotlib.colors import to_hex

from stages.core.recipe.charts import Kind
from stages.make_games.charts.numbers import Format

# Matplotlib's palettes with 8 colours or more.
PALETTES = ("tab10", "tab10", "Dark2", "Set2", "Set1", "Accent", "Paired", "petroff8")
BARS = ("bar", "grouped", "stacked")


def _one_of(*options: Any) -> Any:
    """A field with a random one of these options; repeat an option to make it more likely."""
    return field(metadata={"options": options})


_WHITE = ("default", "default", "seaborn-v0_8-whitegrid", "seaborn-v0_8-ticks")
_GREY = ("ggplot", "bmh", "fivethirtyeight", "seaborn-v0_8-darkgrid")


@dataclass(frozen=True)
class Style:
    """How a chart looks, whatever it shows. Each kind of chart reads the fields that concern it."""

    sheet: str = _one_of(*_WHITE, *_WHITE, *_GREY)  # matplotlib's style sheets
    palette: str = _one_of(*PALETTES)
    font: str = _one_of("DejaVu Sans", "DejaVu Sans", "DejaVu Serif")
    text_scale: float = _one_of(0.95, 1.0, 1.1)  # words, times TEXT_SIZE
    title: str = _one_of("left", "center")
    bold_title: bool = _one_of(True, False)
    legend: str = _one_of("bottom", "right")
    note: bool = _one_of(True, False)  # a line that names the file
    horizontal: bool = _one_of(True, False)  # bars
    value_axis: bool = _one_of(True, True, False)  # bars with numbers may do without it
    value_labels: bool = _one_of(True, False)
    grid: bool = _one_of(True, False)
    box: bool = _one_of(True, False, False)  # lines on all four sides of the plot
    ticks: int = _one_of(5, 6, 8)  # most steps of the value axis
    separator: str = _one_of(",", ",", "\u202f")  # of thousands
    bar_width: float = _one_of(0.55, 0.65, 0.75, 0.85)  # share of a row's slot
    bar_edge: str = _one_of("none", "none", "#222222")
    one_colour: bool = _one_of(True, True, False)  # bars of a single series
    marker: str = _one_of("", "o", "s", "D")  # of a line's points
    line_width: float = _one_of(0.9, 1.1, 1.4)  # times a fifth of the text's height
    from_zero: bool = _one_of(True, False)  # the axis of a line chart
    hole: float = _one_of(0.0, 0.0, 0.5)  # of a pie, as a share of its radius
    start: float = _one_of(90.0, 90.0, 0.0, 30.0, 200.0)  # of the first slice, degrees anticlockwise from the right
    clockwise: bool = _one_of(True, False)
    outside: bool = _one_of(True, False)  # a pie has labels beside it instead of a legend
    share_labels: bool = _one_of(True, False)  # a pie's numbers are per cent of the whole


def draw_style(draw: Random) -> Style:
    """A random style: one option for each field."""
    return Style(**{each.name: draw.choice(each.metadata["options"]) for each in fields(Style)})


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
        """Whether the value axis has numbers: it must if the marks have none."""
        return self.style.value_axis or not self.value_labels or self.kind not in ("bar", "grouped")

    def colour(self, number: int) -> str:
        palette = matplotlib.color_sequences[self.style.palette]
        return to_hex(palette[number % len(palette)])
