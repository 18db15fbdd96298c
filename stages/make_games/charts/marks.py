"""The marks of a chart with axes: bars, stacks and lines, and the numbers at them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.make_games.charts.axis import Axis
from stages.make_games.charts.chart import Chart
from stages.make_games.charts.tables import ChartTable
from stages.make_games.charts.text import Font, width
from stages.make_games.charts.times import along_time
from stages.make_games.charts.words import Box

EDGES = {"none": ("none", 0.0), "light": ("#ffffff", 1.0), "dark": ("#222222", 0.7)}
_LABEL_GAP = 3.0  # pixels between a mark and its number


@dataclass(frozen=True)
class Bar:
    """A bar across `place` (rows are at 0, 1, …), `thick` wide, that goes from `base` by `value`."""

    series: int
    row: int
    place: float
    thick: float
    base: float
    value: float


def bars(chart: Chart, table: ChartTable) -> Iterator[Bar]:
    """All bars, row by row. Missing values have none."""
    count = len(table.series) if chart.kind == "grouped" else 1
    thick = chart.style.bar_width / count
    for row in range(len(table.labels)):
        base = 0.0
        for number, series in enumerate(table.series):
            value = series.cells[row].value
            if value is None:
                continue
            aside = (number - (count - 1) / 2) * thick if count > 1 else 0.0
            yield Bar(number, row, row + aside, thick, base, value)
            base += value if chart.kind == "stacked" else 0.0


def draw_bars(axes: Any, chart: Chart, table: ChartTable, plot: Box, axis: Axis) -> None:
    """Bars and stacks on matplotlib's `axes`, with their numbers."""
    edge, line = EDGES[chart.style.bar_edge]
    for bar in bars(chart, table):
        fill = bar_colour(chart, table, bar)
        look: dict[str, Any] = {"color": fill, "edgecolor": edge, "linewidth": line}
        if chart.horizontal:
            axes.barh(bar.place, bar.value, bar.thick, left=bar.base, **look)
        else:
            axes.bar(bar.place, bar.value, bar.thick, bottom=bar.base, **look)
        if chart.value_labels:
            _number_at(axes, chart, bar, fill, plot, axis)


def bar_colour(chart: Chart, table: ChartTable, bar: Bar) -> str:
    """By series; bars of a single one are alike, or each its own where the style wants that."""
    alone = len(table.series) == 1
    number = bar.row if alone and not chart.style.one_colour else bar.series
    return chart.style.palette[number % len(chart.style.palette)]


def draw_lines(axes: Any, chart: Chart, table: ChartTable) -> None:
    """A line a series, with gaps where values are missing; a lone point is a dot."""
    style = chart.style
    places = along_time(table.labels)
    for number, series in enumerate(table.series):
        values = np.array([np.nan if cell.value is None else cell.value for cell in series.cells])
        marker = style.marker or ("o" if np.isnan(values).any() else "")
        axes.plot(
            places,
            values,
            color=style.palette[number],
            linewidth=style.line_width * chart.text / 5,
            marker=marker,
            markersize=0.5 * chart.text,
            clip_on=False,
        )
        if chart.value_labels:
            for place, value in zip(places, values, strict=True):
                if np.isfinite(value):
                    _write(axes, chart, chart.numbers.write(value), (place, value), (0, _LABEL_GAP + 0.3 * chart.text))


def inside_colour(fill: str) -> str:
    """White words on dark colours, dark ones on light."""
    red, green, blue = (int(fill[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.6 else "#1c1c1c"


def _number_at(axes: Any, chart: Chart, bar: Bar, fill: str, plot: Box, axis: Axis) -> None:
    text = chart.numbers.write(bar.value)
    if chart.kind == "stacked":
        if _fits_inside(chart, bar, text, plot, axis):
            middle = (bar.base + bar.value / 2, bar.place)
            at = middle if chart.horizontal else middle[::-1]
            _write(axes, chart, text, at, (0, 0), "center", "center_baseline", inside_colour(fill))
        return
    gap = -_LABEL_GAP if bar.value < 0 else _LABEL_GAP
    if chart.horizontal:
        side = "right" if bar.value < 0 else "left"
        _write(axes, chart, text, (bar.value, bar.place), (gap, 0), side, "center_baseline")
    else:
        side = "top" if bar.value < 0 else "bottom"
        _write(axes, chart, text, (bar.place, bar.value), (0, gap), "center", side)


def _fits_inside(chart: Chart, bar: Bar, text: str, plot: Box, axis: Axis) -> bool:
    length = plot.width if chart.horizontal else plot.height
    room = length * bar.value / (axis.high - axis.low)
    wide = width(text, Font(chart.style.font, round(chart.text, 1)))
    return room >= (wide + 4 if chart.horizontal else 1.1 * chart.text)


def _write(
    axes: Any,
    chart: Chart,
    text: str,
    at: tuple[float, float],
    offset: tuple[float, float],
    side: str = "center",
    level: str = "bottom",
    colour: str | None = None,
) -> None:
    axes.annotate(
        text,
        at,
        xytext=offset,
        textcoords="offset points",
        ha=side,
        va=level,
        fontsize=round(chart.text, 1),
        color=colour or chart.style.ink,
        annotation_clip=False,
    )
