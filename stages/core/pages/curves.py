"""Charts that Vega-Lite draws as SVG inside the page: no script, no request, and the page's own colours."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from markupsafe import Markup, escape

from stages.core.errors import require

WIDTH, HEIGHT = 400, 210
COLORS = 6  # in charts.css
SHAPES = ("circle", "square", "diamond", "triangle-up")  # Vega's names; charts.html.j2 has the signs
MAX_ROUNDS_WITH_DOTS = 45
MAX_TOOLTIPS = 240
# Vega's own formats write up to seven zeros; here, very small and very large ticks look like 3e-4 and 2e+7.
EXTREME = "datum.value && (abs(datum.value) < 1e-3 || abs(datum.value) >= 1e6)"
TICK = f"{EXTREME} ? format(datum.value, '.3~e') : format(datum.value, ',.6~f')"
WHOLE_TICK = "datum.value % 1 ? '' : format(datum.value, ',d')"

Point = tuple[float | None, float | None, float | None]  # value and its interval
Json = dict[str, Any]


@dataclass(frozen=True)
class Curve:
    """A named curve with a point for each round. A value of None is a gap; low and high, if given, draw a band."""

    name: str
    points: Mapping[int, Point]


@dataclass(frozen=True)
class Chart:
    """Curves over rounds.

    `y_scale` has properties of Vega's scale, `reference` is the value and name of a dashed line, and `clue_phases` are
    the shaded stretches of rounds.
    """

    title: str
    unit: str
    curves: Sequence[Curve]
    x_range: tuple[int, int]
    y_scale: Json = field(default_factory=dict)
    reference: tuple[float, str] | None = None
    clue_phases: Sequence[tuple[float, float]] = ()

    @property
    def rounds(self) -> list[int]:
        """The rounds in which some curve has a value."""
        return sorted({round for curve in self.curves for round, point in curve.points.items() if point[0] is not None})

    @cached_property
    def svg(self) -> Markup:
        """The chart without its title and legend, which the page sets as text."""
        drawn = require("vl_convert", "report").vegalite_to_svg(_spec(self), allowed_base_urls=[])
        body = drawn.partition(">")[2]
        # Vega writes tooltip texts as labels; browsers show a <title> on hover.
        body = re.sub(r'<line aria-label="([^"]*)"([^>]*)/>', r'<line class="tooltip"\2><title>\1</title></line>', body)
        head = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(_summary(self))}">'
        return Markup(head + body)


def figure(value: Any) -> str:
    """A figure with about three digits, text unchanged, or – for None."""
    if isinstance(value, float) and value != 0:
        return f"{value:.3f}" if 5e-4 <= abs(value) < 1000 else f"{value:.2e}"
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _summary(chart: Chart) -> str:
    """The chart in words: where each curve starts and ends."""
    parts = []
    for curve in chart.curves:
        points = [(round, point[0]) for round, point in curve.points.items() if point[0] is not None]
        if points:
            (first, begin), (last, end) = points[0], points[-1]
            parts.append(f"{curve.name} {figure(begin)} (round {first}) to {figure(end)} (round {last})")
    return f"{chart.title}: {'; '.join(parts)}"


def _spec(chart: Chart) -> Json:
    """The chart in Vega-Lite's grammar. Layers go from back to front."""
    numbers = range(len(chart.curves))
    first, last = chart.x_range
    x = {"field": "round", "type": "quantitative", "scale": {"domain": [first - 0.5, last + 0.5], "nice": False}}
    y = {"field": "value", "type": "quantitative", "scale": {"zero": False, "nice": 5, **chart.y_scale}}
    by_curve = {"field": "curve", "type": "nominal", "legend": None}
    colors = [f"var(--c{number % COLORS})" for number in numbers]
    shapes = [SHAPES[number % len(SHAPES)] for number in numbers]
    color = {**by_curve, "scale": {"domain": [*numbers], "range": colors}}
    shape = {**by_curve, "scale": {"domain": [*numbers], "range": shapes}}
    band = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": color}
    phases = [{"round": start, "end": end} for start, end in chart.clue_phases]
    reference = [{"value": chart.reference[0]}] if chart.reference else []
    layers = [
        _layer("rect", {"x": x, "x2": {"field": "end"}}, phases, color="var(--soft)", opacity=0.12),
        _layer("area", band, opacity=0.13),
        _layer("rule", band, opacity=0.4, strokeWidth=2),  # a single point gets a bar as its band
        _layer("rule", {"y": y}, reference, color="var(--soft)", strokeDash=[5, 4]),
        _layer("line", {"x": x, "y": y, "color": color}, strokeWidth=1.8, strokeCap="round"),
    ]
    if len(chart.rounds) <= MAX_ROUNDS_WITH_DOTS:
        dots = {"x": x, "y": y, "color": color, "shape": shape}
        layers.append(_layer("point", dots, filled=True, opacity=1, size=26))
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDTH,
        "height": HEIGHT,
        "autosize": {"type": "fit", "contains": "padding"},
        "data": {"values": _rows(chart)},
        "layer": [*layers, _tooltips(chart, x)],
        "config": _config(),
    }


def _layer(mark: str, encoding: Json, data: list[Json] | None = None, **style: Any) -> Json:
    layer = {"mark": {"type": mark, "aria": False, **style}, "encoding": encoding}
    return layer if data is None else {**layer, "data": {"values": data}}


def _rows(chart: Chart) -> list[Json]:
    return [
        {"round": round, "curve": number, "value": value, "low": low, "high": high}
        for number, curve in enumerate(chart.curves)
        for round, (value, low, high) in curve.points.items()
    ]


def _tooltips(chart: Chart, x: Json) -> Json:
    """An invisible bar for each round, whose tooltip lists all curves' values."""
    step = math.ceil(len(chart.rounds) / MAX_TOOLTIPS) or 1
    values = [{"round": round, "text": _tooltip(chart, round)} for round in chart.rounds[::step]]
    width = min(24.0, step * WIDTH / (chart.x_range[1] - chart.x_range[0] + 1))
    encoding = {"x": x, "description": {"field": "text"}}
    return _layer("rule", encoding, values, aria=True, color="var(--soft)", opacity=0, strokeWidth=width)


def _tooltip(chart: Chart, round: int) -> str:
    lines = [f"round {round}"]
    for curve in chart.curves:
        value, low, high = curve.points.get(round, (None, None, None))
        interval = "" if low is None or high is None else f" ({figure(low)} to {figure(high)})"
        lines += [] if value is None else [f"{curve.name}: {figure(value)}{interval}"]
    return "\n".join(lines)


def _config() -> Json:
    """The style. Colours are the page's variables, so that charts follow its light and dark schemes."""
    colors = {"labelColor": "var(--soft)", "gridColor": "var(--line)", "domainColor": "var(--soft)"}
    return {
        "background": None,
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": {**colors, "labelFontSize": 11, "title": None},
        "axisX": {"grid": False, "ticks": False, "labelPadding": 6, "labelExpr": WHOLE_TICK, "tickCount": 7},
        "axisY": {"domain": False, "ticks": False, "labelExpr": TICK, "tickCount": 5},
    }
