"""From a part of a table, its twin and a style to the chart that both pictures share.

Everything here is the same whichever of the two tables comes first: wherever values matter (the ends of the axis, names
that would collide), those of both are looked at. So nothing but the values can differ between the two pictures.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from math import isfinite

from stages.make_games.charts.axis import MOST_LABEL
from stages.make_games.charts.cells import Cell
from stages.make_games.charts.chart import Chart
from stages.make_games.charts.layout import Layout, lay_out
from stages.make_games.charts.looks import Style
from stages.make_games.charts.numbers import Numbers, numbers_for
from stages.make_games.charts.parts import Part
from stages.make_games.charts.pies import names_collide
from stages.make_games.charts.swap import value_range
from stages.make_games.charts.tables import ChartTable
from stages.make_games.charts.text import Font, number_width, width
from stages.make_games.charts.words import NoRoom

TEXT_SIZE = 0.027  # of the side of a square as large as the picture: 10.6 pixels at 480 by 320
LEAST_TEXT = 9.0  # pixels, below which digits cannot be read
_LABELLED_POINTS = 12  # of a line, at most, that have numbers
_BEYOND = 1e3  # times the values: where axes may end and stacks may reach
_NAMELESS = {"", "value", "values", "number", "amount"}  # headings that say nothing

Tables = tuple[ChartTable, ...]


def compose(part: Part, tables: Tables, style: Style, size: tuple[int, int]) -> Chart:
    """The chart for these tables, which differ by the swap. `size`: width and height of the picture in pixels.

    `NoRoom` if there is none for its words.
    """
    chart = _wished(part, tables, style, size)
    if not chart.horizontal and part.kind in ("bar", "grouped", "stacked") and not _labels_fit_below(chart, part.table):
        chart = replace(chart, horizontal=True, heading="")
    layout = lay_out(chart, part.table.labels, _names(chart, part.table))
    if chart.value_labels and part.kind not in ("stacked", "pie") and not _numbers_fit(chart, part.table, layout):
        chart = replace(chart, value_labels=False)
        layout = lay_out(chart, part.table.labels, _names(chart, part.table))
    collide = {"ends": _ends_collide, "outside": _pie_names_collide}.get(chart.naming)
    if collide is not None and any(collide(chart, table, layout) for table in tables):
        chart = replace(chart, naming="legend")
    return chart


def _wished(part: Part, tables: Tables, style: Style, size: tuple[int, int]) -> Chart:
    """The chart as the style would have it, whether or not all finds room."""
    table, kind = part.table, part.kind
    text = max(TEXT_SIZE * (size[0] * size[1]) ** 0.5, LEAST_TEXT) * style.text_scale
    numbers, widest = _numbers(table, Font(style.font, round(text, 1)), style.separator)
    low, high = value_range(kind, tables, style.from_zero)
    if not isfinite(_BEYOND * max(high, -low)):  # hundreds of digits fit nowhere, and arithmetic ends here
        raise NoRoom
    title = _title(part) if style.title != "none" or kind == "pie" else ""
    measure = _measure(part, bool(title))
    horizontal = style.horizontal and kind in ("bar", "grouped", "stacked")
    return Chart(
        kind=kind,
        width=size[0],
        height=size[1],
        text=text,
        style=style,
        title=title,
        note=f"Source: {table.name}.csv" if style.note else "",
        heading=table.heading if style.axis_title and kind != "pie" and not horizontal else "",
        measure=measure if (style.axis_title or not title) and measure != title else "",
        horizontal=horizontal,
        numbers=numbers,
        low=low,
        high=high,
        value_labels=style.value_labels and (kind != "line" or len(table.series) == 1),
        widest=widest,
        naming=_naming(part, style),
    )


def _numbers(table: ChartTable, font: Font, separator: str) -> tuple[Numbers, str]:
    """How the table's numbers are written, and the widest of them."""
    cells = [cell for series in table.series for cell in series.cells]
    unit = next((cell for cell in cells if cell.unit), Cell("", None))
    values = [cell.value for cell in cells if cell.value is not None]
    numbers = numbers_for(values, unit.before, unit.after, separator)
    return numbers, max((numbers.write(value) for value in values), key=lambda text: width(text, font))


def _naming(part: Part, style: Style) -> str:
    if part.kind == "pie":
        return "outside" if style.outside else "legend"
    if len(part.table.series) == 1:
        return "none"
    return "ends" if part.kind == "line" and style.end_labels else "legend"


def _names(chart: Chart, table: ChartTable) -> tuple[str, ...]:
    return table.labels if chart.kind == "pie" else tuple(series.name for series in table.series)


def _title(part: Part) -> str:
    """From the file's name if it is words, with the series' name if it is one of several; else from the latter."""
    name = part.table.name
    series = part.table.series[0].name if len(part.table.series) == 1 else ""
    said = "" if series.casefold() in _NAMELESS else series
    if re.search(r"\d", name) or not re.search(r"[^\W\d_]{3}", name):
        return said
    words = re.sub(r"[-_.\s]+", " ", name).strip()
    title = words[:1].upper() + words[1:]
    return f"{title}: {said}" if said and part.whole_series > 1 else title


def _measure(part: Part, titled: bool) -> str:
    """What the values are: the table's word for it, or else the only series' name where the title lacks it."""
    alone = len(part.table.series) == 1 and (part.whole_series == 1 or not titled)
    measure = part.table.measure or (part.table.series[0].name if alone else "")
    return "" if measure.casefold() in _NAMELESS else measure


def _labels_fit_below(chart: Chart, table: ChartTable) -> bool:
    """Whether no label is cut off under upright bars."""
    try:
        return lay_out(chart, table.labels, _names(chart, table)).labels.whole
    except NoRoom:
        return False


def _numbers_fit(chart: Chart, table: ChartTable, layout: Layout) -> bool:
    """Whether numbers at neighbouring marks keep apart."""
    rows = len(table.labels)
    if chart.kind == "line":
        return rows <= _LABELLED_POINTS and number_width(chart.widest, _font(chart)) <= layout.plot.width / rows
    share = chart.style.bar_width / len(table.series) if chart.kind == "grouped" else 1.0
    if chart.horizontal:
        wide = number_width(chart.widest, _font(chart)) > MOST_LABEL * layout.plot.width
        return not wide and chart.text <= share * layout.plot.height / rows
    return number_width(chart.widest, _font(chart)) <= share * layout.plot.width / rows


def _ends_collide(chart: Chart, table: ChartTable, layout: Layout) -> bool:
    """Whether names at the ends of lines would touch, or a line has no value there."""
    ends = [series.cells[-1].value for series in table.series]
    scale = layout.plot.height / (layout.axis.high - layout.axis.low)
    heights = sorted(scale * end for end in ends if end is not None)
    apart = [later - earlier for earlier, later in pairwise(heights)]
    return len(heights) < len(ends) or min(apart, default=chart.text) < 1.1 * chart.text


def _pie_names_collide(chart: Chart, table: ChartTable, layout: Layout) -> bool:
    return names_collide(chart, table, layout.names, layout.plot)


def _font(chart: Chart) -> Font:
    return Font(chart.style.font, round(chart.text, 1))
