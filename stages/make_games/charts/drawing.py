"""Draws a chart's pictures with matplotlib. Both share one frame, so that only the marks and their numbers differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from itertools import combinations, pairwise
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from stages.make_games.charts.fonts import DPI, lines_of, text_width
from stages.make_games.charts.looks import BARS, Chart
from stages.make_games.charts.marks import draw_marks, words_are_clear
from stages.make_games.charts.numbers import format_for
from stages.make_games.charts.swap import ChartTable, value_range

Picture = NDArray[np.uint8]  # (height, width, 3) sRGB

TEXT_SIZE = 0.027  # of the side of a square with the picture's area: 10.6 pixels at 480 by 320
LEAST_TEXT = 9.0  # pixels; smaller digits cannot be read
TITLE, SMALL, LINE = 1.2, 0.9, 1.25  # sizes of titles and notes, and the line height, relative to the text size
_LEAST_PLOT = 0.33  # of the picture's shorter side, and of its height
_BESIDE = 0.36  # of the width, for labels beside horizontal bars


class NoRoom(Exception):
    """The picture is too small for its words: try another kind or part of the table."""


def draw(chart: Chart, versions: Sequence[ChartTable]) -> list[Picture]:
    """A picture of each version of the table. `NoRoom` if words would overlap or reach outside."""
    with _settings(chart):
        figure = Figure((chart.width / DPI, chart.height / DPI), dpi=DPI, layout=(engine := ConstrainedLayoutEngine()))
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        if chart.kind == "pie":
            side = (2.6, 1.12) if chart.style.outside else (1.02, 1.02)
            axes.set(xlim=(-side[0], side[0]), ylim=(-side[1], side[1]), aspect="equal")
            axes.set_axis_off()
        else:
            _draw_axes(axes, chart, versions)
        _write_around(figure, chart, versions[0])
        engine.execute(figure)
        figure.set_layout_engine("none")
        if chart.kind in ("line", "area"):
            _thin(axes, chart, canvas.get_renderer())
        _check_frame(figure, axes, chart, canvas.get_renderer())
        before = set(axes.get_children())
        drawn = []
        for version in versions:
            marks, words = draw_marks(axes, chart, version)
            _check_words(axes, chart, version, marks, words)
            drawn.append(set(axes.get_children()) - before)
            before |= drawn[-1]
        return list(_pictures(canvas, axes, drawn))


def _check_words(axes: Any, chart: Chart, table: ChartTable, marks: Sequence[Any], words: Sequence[Any]) -> None:
    """`NoRoom` unless the words at the marks lie in the picture, at most just above the plot, and touch nothing."""
    boxes = [word.get_window_extent().padded(1.0 if chart.kind == "scatter" else -0.5) for word in words]
    inside = axes.figure.bbox
    outside = any(not inside.containsx(box.x0) or not inside.containsx(box.x1) or box.y0 < 0 for box in boxes)
    above = any(box.y1 > axes.bbox.y1 + 3 for box in boxes)
    touching = any(one.overlaps(other) for one, other in combinations(boxes, 2))
    if outside or above or touching or not words_are_clear(axes, chart, table, marks, boxes):
        raise NoRoom


def _pictures(canvas: Any, axes: Any, drawn: Sequence[Set[Any]]) -> Iterator[Picture]:
    """A picture for each set of marks and words. Everything below them is drawn once."""
    own = set[Any]().union(*drawn)
    lowest = min(artist.zorder for artist in own)
    frame = set(axes.get_children()) - own - {axes.patch} if axes.axison else set[Any]()
    above = {artist for artist in frame if artist.zorder >= lowest}
    for artist in own | above:
        artist.set_animated(True)
    canvas.draw()
    below = canvas.copy_from_bbox(axes.figure.bbox)
    for artists in drawn:
        canvas.restore_region(below)
        for artist in sorted(axes.get_children(), key=lambda artist: artist.zorder):
            if artist in artists | above:
                axes.draw_artist(artist)
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()


@contextmanager
def _settings(chart: Chart) -> Iterator[None]:
    """The style sheet on top of matplotlib's own defaults, not the user's. A dollar sign does not start a formula."""
    style, size = chart.style, round(chart.text, 1)
    sizes = ("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")
    lines = {f"axes.spines.{side}": style.box for side in ("top", "right")}
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.style.use(style.sheet)
        matplotlib.rcParams.update(
            {
                **dict.fromkeys(sizes, size),
                **lines,
                "text.parse_math": False,
                "font.family": [style.font, *chart.fonts],
                "axes.grid": style.grid,
                "axes.grid.axis": "both" if chart.kind == "scatter" else "x" if chart.horizontal else "y",
                "axes.axisbelow": True,
                "legend.frameon": False,
                "path.simplify": False,  # a swapped point must not move the rest of its line
                "xtick.major.pad": 0.6 * size,  # clears the lower half of the lowest number at the corner
            }
        )
        yield


def _write_around(figure: Any, chart: Chart, table: ChartTable) -> None:
    """Title, legend and source, outside the plot."""
    style = chart.style
    if chart.title:
        x, align = (0.02, "left") if style.title == "left" else (0.5, "center")
        weight = "bold" if style.bold_title else "normal"
        size, families = TITLE * chart.text, tuple(matplotlib.rcParams["font.family"])
        text = "\n".join(lines_of(chart.title, 0.96 * chart.width, size, families, weight))
        figure.suptitle(text, x=x, ha=align, fontsize=round(size, 1), fontweight=weight)
    names = [series.name for series in table.series] if len(table.series) > 1 and chart.kind != "scatter" else []
    if chart.kind == "pie" and not style.outside:
        names = list(table.labels)
    if names:
        wide = max(text_width(name, chart.text) for name in names)
        right = style.legend == "right" and wide < 0.26 * chart.width
        columns = 1 if right else max(min(int(0.96 * chart.width / (wide + 4.5 * chart.text)), len(names)), 1)
        handles = [Patch(facecolor=chart.colour(number)) for number in range(len(names))]
        place = "outside center right" if right else "outside lower center"
        figure.legend(handles, names, loc=place, ncols=columns, handlelength=1.1, handleheight=0.8)
    if chart.note and (not names or right):
        figure.supxlabel(chart.note, x=0.02, ha="left", fontsize=round(SMALL * chart.text, 1))


def _draw_axes(axes: Any, chart: Chart, versions: Sequence[ChartTable]) -> None:
    """Limits, ticks and the words along both axes."""
    values, rows = (axes.xaxis, axes.yaxis) if chart.horizontal else (axes.yaxis, axes.xaxis)
    if chart.kind == "scatter":
        _value_axis(axes, values, chart, versions, 1)
        _value_axis(axes, rows, chart, versions, 0)
        return
    _value_axis(axes, values, chart, versions, None)
    if chart.value_labels and chart.kind in ("bar", "grouped", "line"):
        _leave_room(axes, chart, versions)
    (_beside if chart.horizontal else _below)(axes, chart, versions[0])
    if not chart.has_axis:
        values.set_ticks([])
        axes.spines["bottom" if chart.horizontal else "left"].set_visible(chart.style.box)
    if chart.kind in BARS and value_range(chart.kind, versions, chart.style.from_zero)[0] < 0:
        (axes.axvline if chart.horizontal else axes.axhline)(0.0, color="#555555", linewidth=0.8)


def _value_axis(axes: Any, axis: Any, chart: Chart, versions: Sequence[ChartTable], column: int | None) -> None:
    low, high = value_range(chart.kind, versions, chart.style.from_zero, column)
    is_x = axis is axes.xaxis
    if chart.kind == "scatter":
        margin = (0.22 if is_x else 0.12) * (high - low)
        low, high = (max(low - margin, 0.0) if low >= 0 else low - margin), high + margin
    steps = min(chart.style.ticks, 4 if is_x else 6 if chart.height < 400 else 8)
    ticks = MaxNLocator(steps, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    written = format_for(ticks, versions[0].series[-1 if column is None else column].unit, chart.style.separator, 9)
    axis.set_ticks(ticks, [written.write(tick) for tick in ticks])
    (axes.set_xlim if is_x else axes.set_ylim)(ticks[0], ticks[-1])
    measure = versions[0].measure if column is None else versions[0].series[column].name
    if measure and not f"{chart.title}, ".startswith(f"{measure}, "):
        axis.set_label_text("\n".join(_fitting(measure, 0.62 * (chart.width if is_x else chart.height), 2, chart)))


def _leave_room(axes: Any, chart: Chart, versions: Sequence[ChartTable]) -> None:
    """Extend the value axis to fit the numbers at the marks. `NoRoom` if they are wider than their slots."""
    table, grouped = versions[0], chart.kind == "grouped"
    written = (chart.numbers.write(v) for series in table.series for v in series.values if v is not None)
    widest = max(text_width(number, chart.text) for number in written)
    slot = (0.72 * chart.height if chart.horizontal else 0.8 * chart.width) / len(table.labels)
    slot *= chart.style.bar_width / len(table.series) if grouped else 1.0
    if slot < (LINE * chart.text if chart.horizontal else widest + 2):
        raise NoRoom
    share = (widest + 8) / (0.55 * chart.width) if chart.horizontal else 1.9 * chart.text / (0.6 * chart.height)
    low, high = axes.get_xlim() if chart.horizontal else axes.get_ylim()
    span = (high - low) / (1 - min(share, 0.4))
    least, most = value_range(chart.kind, versions, chart.style.from_zero)
    high = max(high, most + share * span) if most > 0 or chart.kind == "line" else high
    low = min(low, least - share * span) if least < 0 and chart.kind != "line" else low
    (axes.set_xlim if chart.horizontal else axes.set_ylim)(low, high)


def _beside(axes: Any, chart: Chart, table: ChartTable) -> None:
    """Full labels to the left of horizontal bars."""
    count = len(table.labels)
    slot = 0.72 * chart.height / count
    if slot < 0.95 * chart.text:
        raise NoRoom
    lines = 2 if slot >= 2 * LINE * chart.text else 1
    texts = ["\n".join(_fitting(label, _BESIDE * chart.width, lines, chart)) for label in table.labels]
    axes.set_yticks(range(count), texts)
    axes.set_ylim(count - 0.5, -0.5)
    _write_heading(axes.yaxis, chart, table)


def _below(axes: Any, chart: Chart, table: ChartTable) -> None:
    """Full labels: all of them under bars, and as many as fit under lines."""
    count, room = len(table.labels), 0.84 * chart.width
    if chart.kind in BARS:
        texts = ["\n".join(_fitting(label, room / count - 5, 3, chart)) for label in table.labels]
        axes.set_xticks(range(count), texts)
        axes.set_xlim(-0.5, count - 0.5)
    else:
        first, span = table.places[0], table.places[-1] - table.places[0]
        if span <= 0:
            raise NoRoom
        ends = [(0.9 * room * (place - first) / span, text_width(label, chart.text) / 2 + 4)
                for place, label in zip(table.places, table.labels, strict=True)]  # fmt: skip
        apart = (n for n in range(1, count + 1) if all(a + b <= y - x for (x, a), (y, b) in pairwise(ends[::n])))
        every = next(apart)
        axes.set_xticks(table.places[::every], table.labels[::every])
        axes.set_xlim(first - 0.04 * span, table.places[-1] + 0.04 * span)
    _write_heading(axes.xaxis, chart, table)


def _write_heading(axis: Any, chart: Chart, table: ChartTable) -> None:
    plain = table.labels[0].isdigit() and max(map(len, table.labels)) < 4  # month numbers, not years
    if table.heading and not table.question and (not table.places or plain):
        axis.set_label_text("\n".join(_fitting(table.heading, 0.62 * chart.height, 2, chart)))


def _thin(axes: Any, chart: Chart, renderer: Any) -> None:
    """Drop every other label along a line until the rest fit."""
    while True:
        boxes = [label.get_window_extent(renderer) for label in axes.get_xticklabels()]
        if all(one.x1 + 0.5 * chart.text <= other.x0 for one, other in pairwise(boxes)):
            return
        axes.set_xticks(axes.get_xticks()[::2], [label.get_text() for label in axes.get_xticklabels()][::2])


def _check_frame(figure: Any, axes: Any, chart: Chart, renderer: Any) -> None:
    """`NoRoom` unless the plot is large enough, all words lie in the picture, and no neighbouring labels touch."""
    box, around = axes.get_window_extent(renderer), figure.get_tightbbox(renderer)
    small = box.width < _LEAST_PLOT * min(chart.width, chart.height) or box.height < _LEAST_PLOT * chart.height
    beyond = max(-around.x0, -around.y0, around.x1 - chart.width / DPI, around.y1 - chart.height / DPI)
    if small or beyond > 0.01:
        raise NoRoom
    for axis in (axes.xaxis, axes.yaxis) if chart.kind != "pie" else ():
        written = (label for label in axis.get_ticklabels() if label.get_text())
        boxes = [label.get_window_extent(renderer).padded(0.2 * chart.text, 0.0) for label in written]
        if any(one.overlaps(other) for one, other in pairwise(boxes)):
            raise NoRoom


def _fitting(text: str, room: float, most: int, chart: Chart) -> list[str]:
    """The text on at most `most` lines. `NoRoom` if it does not fit."""
    lines = lines_of(text, room, chart.text, tuple(matplotlib.rcParams["font.family"]))
    if len(lines) > most or any(text_width(line, chart.text) > room for line in lines):
        raise NoRoom
    return lines
