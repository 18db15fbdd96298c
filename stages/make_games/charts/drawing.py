"""The picture of a chart, by matplotlib's Agg renderer: same chart and table, same pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import IdentityTransform
from numpy.typing import NDArray

from stages.make_games.charts.axis import tick_texts
from stages.make_games.charts.chart import Chart
from stages.make_games.charts.layout import Layout, lay_out
from stages.make_games.charts.legend import SWATCH
from stages.make_games.charts.marks import draw_bars, draw_lines
from stages.make_games.charts.pies import draw_pie
from stages.make_games.charts.tables import ChartTable
from stages.make_games.charts.text import DOTS_PER_INCH
from stages.make_games.charts.times import along_time
from stages.make_games.charts.words import GAP, NoRoom, Words

_OUTSIDE = 0.5 / DOTS_PER_INCH  # inches; less is not seen
_GRID = {"solid": "-", "dashed": (0, (4, 3)), "dotted": (0, (1, 2))}
_LINES = "#c9ccd1"  # of the grid
_SPINES = {"none": (), "corner": ("left", "bottom"), "box": ("left", "bottom", "right", "top")}


def draw(chart: Chart, table: ChartTable) -> NDArray[np.uint8]:
    """The picture, (height, width, 3) uint8 sRGB. `NoRoom` if some of it would lie outside."""
    names = table.labels if chart.kind == "pie" else tuple(series.name for series in table.series)
    with own_settings(), matplotlib.rc_context({"font.family": chart.style.font}):
        layout = lay_out(chart, table.labels, names)
        figure = Figure((chart.width / DOTS_PER_INCH, chart.height / DOTS_PER_INCH), dpi=DOTS_PER_INCH)
        figure.set_facecolor(chart.style.background)
        canvas = FigureCanvasAgg(figure)
        axes = _axes(figure, chart, layout)
        if chart.kind == "pie":
            draw_pie(axes, chart, table, layout.names, layout.plot)
            axes.set(xlim=(-1.02, 1.02), ylim=(-1.02, 1.02))
            axes.set_axis_off()
        else:
            _draw_with_axes(axes, chart, table, layout)
        _draw_words(figure, chart, layout)
        canvas.draw()
        _check_inside(figure, canvas.get_renderer())
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _check_inside(figure: Any, renderer: Any) -> None:
    """`NoRoom` unless all that is drawn lies inside the picture: words measured by matplotlib, not by our layout."""
    drawn, picture = figure.get_tightbbox(renderer), figure.bbox_inches
    if min(drawn.x0, drawn.y0) < -_OUTSIDE or drawn.x1 > picture.x1 + _OUTSIDE or drawn.y1 > picture.y1 + _OUTSIDE:
        raise NoRoom


@contextmanager
def own_settings() -> Iterator[None]:
    """Matplotlib's own defaults, whatever the user's are, for words that are measured as for what is drawn; a dollar
    sign is a dollar, not a formula."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"text.parse_math": False})
        yield


def _axes(figure: Any, chart: Chart, layout: Layout) -> Any:
    plot = layout.plot
    place = (plot.left / chart.width, plot.bottom / chart.height, plot.width / chart.width, plot.height / chart.height)
    axes = figure.add_axes(place)
    axes.set_facecolor("none")
    return axes


def _draw_with_axes(axes: Any, chart: Chart, table: ChartTable, layout: Layout) -> None:
    if chart.kind == "line":
        draw_lines(axes, chart, table)
        _name_ends(axes, chart, table, layout)
    else:
        draw_bars(axes, chart, table, layout.plot, layout.axis)
    count, low, high = len(table.labels), layout.axis.low, layout.axis.high
    places = along_time(table.labels) if chart.kind == "line" else [float(row) for row in range(count)]
    ticks = [place for place, text in zip(places, layout.labels.texts, strict=True) if text]
    texts = [text for text in layout.labels.texts if text]
    if chart.horizontal:
        axes.set(xlim=(low, high), ylim=(count - 0.5, -0.5))
        axes.set_yticks(ticks, texts)
        axes.set_xticks(layout.axis.ticks, tick_texts(chart, layout.axis.ticks))
    else:
        axes.set(xlim=(-0.5, count - 0.5), ylim=(low, high))
        axes.set_xticks(ticks, texts, **_turn(layout.labels.turned))
        axes.set_yticks(layout.axis.ticks, tick_texts(chart, layout.axis.ticks))
    _draw_frame(axes, chart, low)


def _turn(degrees: int) -> dict[str, Any]:
    if not degrees:
        return {}
    slanted = {"ha": "right", "va": "top", "rotation_mode": "anchor"} if degrees == 45 else {}
    return {"rotation": degrees, **slanted}


def _draw_frame(axes: Any, chart: Chart, low: float) -> None:
    """Ticks, grid, spines, and the line at zero where values lie on both sides of it."""
    style = chart.style
    size = round(chart.text, 1)
    length = 3.0 if style.tick_marks else 0.0
    axes.tick_params(
        length=length, width=0.8, pad=6.0 - length, labelsize=size, labelcolor=style.soft_ink, color=style.soft_ink
    )
    values, rows = ("x", "y") if chart.horizontal else ("y", "x")
    axes.set_axisbelow(True)
    if style.grid != "none" and chart.has_axis:
        axes.grid(True, axis=values, color=_LINES, linewidth=0.8, linestyle=_GRID[style.grid])
    base = "left" if chart.horizontal else "bottom"
    shown = (base,) if style.spines == "base" else _SPINES[style.spines]
    for side, spine in axes.spines.items():
        spine.set(visible=side in shown, color=style.soft_ink, linewidth=0.8)
    if not style.tick_marks or base not in shown:
        axes.tick_params(axis=rows, length=0.0, pad=6.0)
    if low < 0 < axes.viewLim.max.max() and chart.kind != "line":
        line = axes.axvline if chart.horizontal else axes.axhline
        line(0.0, color=style.soft_ink, linewidth=0.8)


def _name_ends(axes: Any, chart: Chart, table: ChartTable, layout: Layout) -> None:
    """Names of the lines right of their last points."""
    last = along_time(table.labels)[-1]
    for number, (series, name) in enumerate(zip(table.series, layout.names, strict=False)):
        value = series.cells[-1].value
        if value is not None:
            axes.annotate(
                name,
                (last, value),
                xytext=(GAP * chart.text, 0),
                textcoords="offset points",
                va="center_baseline",
                fontsize=round(chart.text, 1),
                color=chart.style.palette[number],
                annotation_clip=False,
            )


def _draw_words(figure: Any, chart: Chart, layout: Layout) -> None:
    """Title, note, legend and what stands along the axes, at the places of the layout."""
    pixels = IdentityTransform()
    for words in layout.words:
        _put(figure, chart, words, pixels)
    for swatch in layout.swatches:
        wide = SWATCH * chart.text
        high = 0.3 * chart.text if chart.kind == "line" else 0.85 * chart.text
        colour = chart.style.palette[swatch.number % len(chart.style.palette)]
        patch = Rectangle((swatch.x, swatch.y - high / 2), wide, high, facecolor=colour, transform=pixels)
        figure.add_artist(patch)


def _put(figure: Any, chart: Chart, words: Words, pixels: Any) -> None:
    figure.text(
        words.x,
        words.y,
        words.text,
        transform=pixels,
        ha=words.align,
        va="center" if words.upright else "center_baseline",
        rotation=90 if words.upright else 0,
        fontsize=words.font.size,
        fontweight="bold" if words.font.bold else "normal",
        color=chart.style.ink if words.strong else chart.style.soft_ink,
    )
