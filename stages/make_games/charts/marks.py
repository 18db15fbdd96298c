"""The marks of a chart and the numbers at them: bars, stacks, lines, areas, points and slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians, sin
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.patches import Wedge
from matplotlib.patheffects import withStroke

from stages.core.recipe.charts import Kind
from stages.make_games.charts.looks import Style
from stages.make_games.charts.numbers import Format, Unit
from stages.make_games.charts.swap import ChartTable

BARS = ("bar", "grouped", "stacked")
INK = "#222222"
LONGEST_NAME = 22  # letters of a line beside a slice
_GAP = 3.0  # pixels between a mark and its number

Drawn = tuple[list[Any], list[Any]]  # all artists, and those of them that are words which must keep apart


@dataclass(frozen=True)
class Marks:
    """How marks are drawn, whatever the values are."""

    kind: Kind
    style: Style
    text: float
    horizontal: bool
    value_labels: bool
    format: Format
    palette: Sequence[Any]

    def colour(self, number: int) -> str:
        return to_hex(self.palette[number % len(self.palette)])


def draw_marks(axes: Any, marks: Marks, table: ChartTable) -> Drawn:
    """Draw the table's marks. None of them takes part in the layout."""
    draw = {"line": _lines, "area": _areas, "pie": _slices, "scatter": _points}.get(marks.kind, _bars)
    artists, labels = draw(axes, marks, table)
    return [*artists, *labels], labels


def _bars(axes: Any, marks: Marks, table: ChartTable) -> Drawn:
    count = len(table.series) if marks.kind == "grouped" else 1
    thick = marks.style.bar_width / count
    base = np.zeros(len(table.labels))
    artists, labels = [], []
    for number, series in enumerate(table.series):
        values = np.array([np.nan if value is None else value for value in series.values])
        places = np.arange(len(values)) + ((number - (count - 1) / 2) * thick if count > 1 else 0.0)
        alone = len(table.series) == 1 and not marks.style.one_colour
        colours = [marks.colour(row if alone else number) for row in range(len(values))]
        edge = {"edgecolor": marks.style.bar_edge, "linewidth": 0.0 if marks.style.bar_edge == "none" else 0.8}
        if marks.horizontal:
            artists.append(axes.barh(places, values, thick, left=base, color=colours, **edge))
        else:
            artists.append(axes.bar(places, values, thick, bottom=base, color=colours, **edge))
        if marks.value_labels:
            for place, value, low, colour in zip(places, values, base, colours, strict=True):
                if np.isfinite(value):
                    labels += _number_at_bar(axes, marks, (place, value, low), thick, colour)
        if marks.kind == "stacked":
            base = base + values
    return artists, labels


def _number_at_bar(axes: Any, marks: Marks, bar: tuple[float, float, float], thick: float, colour: str) -> list[Any]:
    place, value, low = bar
    text = marks.format.write(value)
    if marks.kind == "stacked":
        corner, other = (
            axes.transData.transform(each)
            for each in ((0, 0), (thick, value) if not marks.horizontal else (value, thick))
        )
        wide, high = abs(other - corner)
        if wide < 0.62 * marks.text * len(text) + 3 or high < 1.15 * marks.text:
            return []
        at = (low + value / 2, place) if marks.horizontal else (place, low + value / 2)
        return [_write(axes, text, at, (0, 0), "center", "center_baseline", inside_colour(colour))]
    gap = -_GAP if value < 0 else _GAP
    if marks.horizontal:
        return [
            _write(
                axes,
                text,
                (value, place),
                (gap, 0),
                "right" if value < 0 else "left",
                "center_baseline",
                INK,
            )
        ]
    return [_write(axes, text, (place, value), (0, gap), "center", "top" if value < 0 else "bottom", INK)]


def _lines(axes: Any, marks: Marks, table: ChartTable) -> Drawn:
    """A line a series, with gaps where values are missing; a lone point is a dot."""
    artists, labels = [], []
    for number, series in enumerate(table.series):
        values = np.array([np.nan if value is None else value for value in series.values])
        marker = marks.style.marker or ("o" if np.isnan(values).any() else "")
        artists += axes.plot(
            table.places, values, color=marks.colour(number), linewidth=marks.style.line_width * marks.text / 5,
            marker=marker, markersize=0.5 * marks.text, clip_on=False,
        )  # fmt: skip
        if marks.value_labels:
            for place, value in zip(table.places, values, strict=True):
                if np.isfinite(value):
                    offset = (0.0, _GAP + 0.3 * marks.text)
                    labels.append(
                        _write(
                            axes,
                            marks.format.write(value),
                            (place, value),
                            offset,
                            "center",
                            "bottom",
                            INK,
                            True,
                        )
                    )
    return artists, labels


def _areas(axes: Any, marks: Marks, table: ChartTable) -> Drawn:
    values = np.array([series.values for series in table.series], dtype=float)
    colours = [marks.colour(number) for number in range(len(values))]
    return axes.stackplot(table.places, values, colors=colours, linewidth=0), []


def _points(axes: Any, marks: Marks, table: ChartTable) -> Drawn:
    """Points with their labels, to the right of them or, near the right edge, to the left."""
    across, up = (np.array(series.values, dtype=float) for series in table.series)
    artists = axes.plot(across, up, "o", color=marks.colour(0), markersize=0.6 * marks.text, clip_on=False)
    low, high = axes.get_xlim()
    labels = []
    for label, x, y in zip(table.labels, across, up, strict=True):
        left = x > low + 0.6 * (high - low)
        labels.append(
            _write(
                axes,
                label,
                (x, y),
                (-5 if left else 5, 0),
                "right" if left else "left",
                "center_baseline",
                INK,
                True,
            )
        )
    return artists, labels


def _slices(axes: Any, marks: Marks, table: ChartTable) -> Drawn:
    style, values = marks.style, [value or 0.0 for value in table.series[0].values]
    edge = "#ffffff" if style.bar_edge == "none" else style.bar_edge
    colours = [marks.colour(number) for number in range(len(values))]
    wedges = axes.pie(
        values, colors=colours, startangle=style.start, counterclock=not style.clockwise,
        wedgeprops={"width": 1 - style.hole, "edgecolor": edge, "linewidth": 1.0},
    )[0]  # fmt: skip
    if style.outside:
        axes.set(xlim=(-2.6, 2.6), ylim=(-1.12, 1.12))
    labels = []
    for wedge, value, name, colour in zip(wedges, values, table.labels, colours, strict=True):
        middle = radians((wedge.theta1 + wedge.theta2) / 2)
        x, y = cos(middle), sin(middle)
        percent = Format(0, Unit(after="%")).write(100 * value / sum(values))
        text = percent if style.share_labels else marks.format.write(value)
        if style.outside:
            side = "center" if abs(x) < 0.1 else "left" if x > 0 else "right"
            offset, name = (0.0, 0.4 * y * marks.text), fill(f"{name}: {text}", LONGEST_NAME)
            labels.append(_write(axes, name, (1.08 * x, 1.08 * y), offset, side, "center", INK))
            continue
        inner = (1 + style.hole) / 2 if style.hole else 0.72
        at = (inner * x, inner * y)
        labels.append(_write(axes, text, at, (0, 0), "center", "center_baseline", inside_colour(colour)))
    return list(wedges), labels


def numbers_fit(artists: Sequence[Any], words: Sequence[Any]) -> bool:
    """Whether the number of each slice lies in it."""
    wedges = [artist for artist in artists if isinstance(artist, Wedge)]
    paths = [wedge.get_path().transformed(wedge.get_transform()) for wedge in wedges]
    return all(
        path.contains_points(number.get_window_extent().corners()).all()
        for path, number in zip(paths, words, strict=True)
    )


def points_are_hidden(axes: Any, table: ChartTable, boxes: Sequence[Any]) -> bool:
    """Whether the label of a point covers another point."""
    places = axes.transData.transform(list(zip(*(series.values for series in table.series), strict=True)))
    return any(box.count_contains(places) > 0 for box in boxes)


def inside_colour(fill: str) -> str:
    """White words on dark colours, dark ones on light."""
    red, green, blue = (int(fill[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.6 else "#1c1c1c"


def _write(
    axes: Any,
    text: str,
    at: Sequence[float],
    offset: tuple[float, float],
    side: str,
    level: str,
    colour: str,
    halo: bool = False,
) -> Any:
    words = axes.annotate(
        text, at, xytext=offset, textcoords="offset points", ha=side, va=level, color=colour, annotation_clip=False
    )
    words.set_in_layout(False)
    if halo:
        words.set_path_effects([withStroke(linewidth=2.5, foreground=axes.get_facecolor())])
    return words
