"""The marks of a chart and the numbers at them: bars, stacks, lines, areas, points and slices."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, radians, sin
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.patheffects import withStroke

from stages.make_games.charts.looks import Chart
from stages.make_games.charts.numbers import Format, Unit
from stages.make_games.charts.swap import ChartTable

INK = "#222222"
LONGEST_NAME = 22  # letters in a line beside a slice
ABOVE_FRAME = 2.6  # z-order: matplotlib's frame has 2.5
_GAP = 3.0  # pixels between a mark and its number
_BESIDE = 2.5  # pixels between a point and its label; other points are farther away

Drawn = tuple[list[Any], list[Any]]  # marks, and words that must keep apart


def draw_marks(axes: Any, chart: Chart, table: ChartTable) -> Drawn:
    """Draw the table's marks. Their words do not take part in the layout."""
    draw = {"line": _lines, "area": _areas, "pie": _slices, "scatter": _points}.get(chart.kind, _bars)
    marks, words = draw(axes, chart, table)
    for word in words:
        word.set_in_layout(False)
    return marks, words


def _bars(axes: Any, chart: Chart, table: ChartTable) -> Drawn:
    count = len(table.series) if chart.kind == "grouped" else 1
    thick = chart.style.bar_width / count
    edge = {"edgecolor": chart.style.bar_edge, "linewidth": 0.0 if chart.style.bar_edge == "none" else 0.8}
    base = np.zeros(len(table.labels))
    marks, words = [], []
    for number, values in enumerate(_columns(table)):
        places = np.arange(len(values)) + ((number - (count - 1) / 2) * thick if count > 1 else 0.0)
        alone = len(table.series) == 1 and not chart.style.one_colour and not table.places
        colours = [chart.colour(row if alone else number) for row in range(len(values))]
        draw, start = (axes.barh, "left") if chart.horizontal else (axes.bar, "bottom")
        bars = draw(places, values, thick, color=colours, **{start: base}, **edge)
        marks.append(bars)
        if chart.value_labels:
            words += _numbers_at(axes, chart, bars, values, colours[0])
        base = base + values if chart.kind == "stacked" else base
    return marks, words


def _numbers_at(axes: Any, chart: Chart, bars: Any, values: Sequence[float], colour: str) -> list[Any]:
    """Numbers at the ends of bars, or inside the parts of stacks that have room for them."""
    texts = ["" if np.isnan(value) else chart.numbers.write(value) for value in values]
    if chart.kind != "stacked":
        words = axes.bar_label(bars, texts, padding=_GAP, color=INK, path_effects=_halo(axes), snap=False)
        return [word for word in words if word.get_text()]
    boxes = [bar.get_window_extent() for bar in bars]
    wide = [0.62 * chart.text * len(text) + 3 for text in texts]
    fits = [box.width > least and box.height > 1.15 * chart.text for box, least in zip(boxes, wide, strict=True)]
    texts = [text if fit else "" for text, fit in zip(texts, fits, strict=True)]
    words = axes.bar_label(bars, texts, label_type="center", color=inside_colour(colour))
    return [word for word in words if word.get_text()]


def _lines(axes: Any, chart: Chart, table: ChartTable) -> Drawn:
    """One line per series, with gaps where values are missing; a lone point is a dot."""
    marks, words = [], []
    for number, values in enumerate(_columns(table)):
        marker = chart.style.marker or ("o" if np.isnan(values).any() else "")
        size = {"linewidth": chart.style.line_width * chart.text / 5, "markersize": 0.5 * chart.text}
        size |= {"clip_on": False, "zorder": ABOVE_FRAME}
        marks += axes.plot(table.places, values, color=chart.colour(number), marker=marker, **size)
        if chart.value_labels:
            given = [(place, value) for place, value in zip(table.places, values, strict=True) if np.isfinite(value)]
            offset = (0.0, _GAP + 0.3 * chart.text)
            words += [_write(axes, chart.numbers.write(at[1]), at, offset, "center", "bottom") for at in given]
    return marks, words


def _areas(axes: Any, chart: Chart, table: ChartTable) -> Drawn:
    colours = [chart.colour(number) for number in range(len(table.series))]
    return axes.stackplot(table.places, _columns(table), colors=colours, linewidth=0), []


def _points(axes: Any, chart: Chart, table: ChartTable) -> Drawn:
    """Points with labels to their right; in the right part of the plot, to their left."""
    across, up = _columns(table)
    look = {"markersize": 0.6 * chart.text, "clip_on": False, "zorder": ABOVE_FRAME}
    marks = axes.plot(across, up, "o", color=chart.colour(0), **look)
    low, high = axes.get_xlim()
    words, beside = [], _BESIDE + 0.3 * chart.text
    for label, x, y in zip(table.labels, across, up, strict=True):
        left = x > low + 0.6 * (high - low)
        side, offset = ("right", -beside) if left else ("left", beside)
        words.append(_write(axes, label, (x, y), (offset, 0), side, "center_baseline"))
    return marks, words


def _slices(axes: Any, chart: Chart, table: ChartTable) -> Drawn:
    """Slices with their numbers: inside, or beside them with their names."""
    style, values = chart.style, _columns(table)[0]
    colours = [chart.colour(number) for number in range(len(values))]
    edge = "#ffffff" if style.bar_edge == "none" else style.bar_edge
    look = {"width": 1 - style.hole, "linewidth": 1.0, "edgecolor": edge}
    limits = axes.get_xlim(), axes.get_ylim()
    turn = {"startangle": style.start, "counterclock": not style.clockwise}
    wedges = axes.pie(values, colors=colours, wedgeprops=look, **turn)[0]
    axes.set(xlim=limits[0], ylim=limits[1])
    words = []
    for wedge, value, name, colour in zip(wedges, values, table.labels, colours, strict=True):
        middle = radians((wedge.theta1 + wedge.theta2) / 2)
        x, y = cos(middle), sin(middle)
        share = 100 * value / sum(values)
        text = Format(0, Unit(after="%")).write(share) if style.share_labels else chart.numbers.write(value)
        if style.outside:
            side = "center" if abs(x) < 0.1 else "left" if x > 0 else "right"
            name = fill(f"{name}: {text}", LONGEST_NAME)
            words.append(_write(axes, name, (1.08 * x, 1.08 * y), (0, 0.4 * y * chart.text), side, "center"))
        else:
            inner = (1 + style.hole) / 2 if style.hole else 0.72
            place, ink = (inner * x, inner * y), inside_colour(colour)
            words.append(_write(axes, text, place, (0, 0), "center", "center_baseline", ink))
    return list(wedges), words


def words_are_clear(axes: Any, chart: Chart, table: ChartTable, marks: Sequence[Any], boxes: Sequence[Any]) -> bool:
    """Whether each slice's number lies inside it, and no label covers a point or a line."""
    if chart.kind == "scatter":
        places = axes.transData.transform(np.transpose(_columns(table)))
        near = [box.padded(_BESIDE + 0.3 * chart.text) for box in boxes]
        return not any(box.count_contains(np.delete(places, own, axis=0)) for own, box in enumerate(near))
    if chart.kind == "pie" and not chart.style.outside:
        paths = [wedge.get_path().transformed(wedge.get_transform()) for wedge in marks]
        return all(path.contains_points(box.corners()).all() for path, box in zip(paths, boxes, strict=True))
    if chart.kind == "line":
        paths = [line.get_path().transformed(line.get_transform()) for line in marks]
        return not any(path.intersects_bbox(box.padded(-1.5), filled=False) for path in paths for box in boxes)
    return True


def inside_colour(fill: str) -> str:
    """White text on dark colours, dark text on light ones."""
    red, green, blue = (int(fill[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.6 else "#1c1c1c"


def _columns(table: ChartTable) -> Any:
    """The values as (series, rows), with NaN for missing ones."""
    return np.array([series.values for series in table.series], dtype=float)


def _write(
    axes: Any, text: str, at: Sequence[float], offset: tuple[float, float], side: str, level: str, colour: str = ""
) -> Any:
    """Words at a mark. Without a `colour` they get ink and a halo, since a line may cross them."""
    place = {"xytext": offset, "textcoords": "offset points", "ha": side, "va": level, "annotation_clip": False}
    halo = {} if colour else {"path_effects": _halo(axes), "snap": False}
    return axes.annotate(text, at, color=colour or INK, **place, **halo)


def _halo(axes: Any) -> list[Any]:
    """Sets words off from lines behind them. Such words lose their serifs if they snap to pixels."""
    return [withStroke(linewidth=2.5, foreground=axes.get_facecolor())]
