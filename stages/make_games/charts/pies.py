"""Pies and rings: slices, their numbers, and the names beside them."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin
from typing import Any

from stages.make_games.charts.chart import Chart
from stages.make_games.charts.marks import EDGES, inside_colour
from stages.make_games.charts.numbers import Numbers
from stages.make_games.charts.tables import ChartTable
from stages.make_games.charts.text import Font, widest
from stages.make_games.charts.words import Box

_BESIDE = 1.08  # radii from the middle to a name
_PERCENT = Numbers(0, after="%")


@dataclass(frozen=True)
class Slice:
    """A slice: its share of the whole, and where its middle points, degrees anticlockwise from the right."""

    value: float
    share: float
    middle: float

    def point(self, radius: float) -> tuple[float, float]:
        return radius * cos(radians(self.middle)), radius * sin(radians(self.middle))


def slices(chart: Chart, table: ChartTable) -> list[Slice]:
    """The slices in the table's order. All values are above 0."""
    values = [cell.value or 0.0 for cell in table.series[0].cells]
    whole, turn, at = sum(values), -1 if chart.style.clockwise else 1, chart.style.start
    found: list[Slice] = []
    for value in values:
        share = value / whole
        found.append(Slice(value, share, at + turn * 180 * share))
        at += turn * 360 * share
    return found


def slice_text(chart: Chart, piece: Slice) -> str:
    """What is written at a slice: its value, or its share."""
    return _PERCENT.write(100 * piece.share) if chart.style.share_labels else chart.numbers.write(piece.value)


def draw_pie(axes: Any, chart: Chart, table: ChartTable, names: tuple[str, ...], plot: Box) -> None:
    """The pie on matplotlib's `axes`, which must be square, one radius each way from the middle."""
    style, pieces = chart.style, slices(chart, table)
    colours = [style.palette[number % len(style.palette)] for number in range(len(pieces))]
    edge, line = EDGES["light" if style.bar_edge == "none" else style.bar_edge]
    axes.pie(
        [piece.value for piece in pieces],
        colors=colours,
        startangle=style.start,
        counterclock=not style.clockwise,
        wedgeprops={"width": 1 - style.hole, "edgecolor": edge, "linewidth": line},
    )
    size = round(chart.text, 1)
    for piece, colour in zip(pieces, colours, strict=True):
        text = slice_text(chart, piece)
        if _fits(chart, piece, text, plot):
            at = piece.point((1 + style.hole) / 2 if style.hole else 0.66)
            axes.text(*at, text, ha="center", va="center_baseline", fontsize=size, color=inside_colour(colour))
    if names:
        _draw_names(axes, chart, pieces, names)


def names_collide(chart: Chart, table: ChartTable, names: tuple[str, ...], plot: Box) -> bool:
    """Whether names beside the pie would touch one another."""
    font = Font(chart.style.font, round(chart.text, 1))
    boxes: list[tuple[float, float, float, float]] = []
    for piece, name in zip(slices(chart, table), names, strict=True):
        lines = name.split("\n")
        wide, high = widest(lines, font) + 4, font.line * len(lines)
        x, y = (part * plot.width / 2 for part in piece.point(_BESIDE))
        y += _raised(chart, piece, name)
        _, before, after = _side(piece)
        boxes.append((x - before * wide, y - high / 2, x + after * wide, y + high / 2))
    return any(
        one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]
        for number, one in enumerate(boxes)
        for two in boxes[:number]
    )


def _draw_names(axes: Any, chart: Chart, pieces: list[Slice], names: tuple[str, ...]) -> None:
    for piece, name in zip(pieces, names, strict=True):
        axes.annotate(
            name,
            piece.point(_BESIDE),
            xytext=(0, _raised(chart, piece, name)),
            textcoords="offset points",
            ha=_side(piece)[0],
            va="center",
            fontsize=round(chart.text, 1),
            color=chart.style.ink,
            annotation_clip=False,
        )


def _raised(chart: Chart, piece: Slice, name: str) -> float:
    """By how many pixels a name stands higher than its slice points, so that it keeps off the pie above and below."""
    high = Font(chart.style.font, round(chart.text, 1)).line * len(name.split("\n"))
    return sin(radians(piece.middle)) * high / 2


def _side(piece: Slice) -> tuple[str, float, float]:
    """How a name is aligned at its slice, and the shares of it that lie left and right of its point."""
    across = cos(radians(piece.middle))
    if abs(across) < 0.15:
        return "center", 0.5, 0.5
    return ("left", 0.0, 1.0) if across > 0 else ("right", 1.0, 0.0)


def _fits(chart: Chart, piece: Slice, text: str, plot: Box) -> bool:
    """Whether the number has room in its slice: along the ring's middle line, and across the ring."""
    wide = widest([text], Font(chart.style.font, round(chart.text, 1)))
    radius = plot.width / 2
    along = 2 * pi * piece.share * radius * ((1 + chart.style.hole) / 2 if chart.style.hole else 0.66)
    return along >= max(wide, 1.3 * chart.text) and radius * (1 - chart.style.hole) >= wide
