"""The axis of values: from where to where it goes, and at which values it has numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from stages.make_games.charts.chart import Chart
from stages.make_games.charts.numbers import for_ticks
from stages.make_games.charts.text import Font, number_width
from stages.make_games.charts.words import NoRoom

MOST_LABEL = 0.4  # of the axis, for a number beyond the values at their end
_MARGIN = 0.06  # above and below a line whose axis does not begin at 0, times the span of its values


@dataclass(frozen=True)
class Axis:
    """Ends of the axis, and the values that are written along it."""

    low: float
    high: float
    ticks: tuple[float, ...]


def axis_for(chart: Chart, length: float, label: float) -> Axis:
    """The axis of a plot that is `length` pixels long; `label` of them are kept free beyond the values at their end."""
    low, high = chart.low, chart.high
    if chart.kind == "line":
        margin = _MARGIN * (high - low)
        low = max(low - margin, 0.0) if low >= 0 else low - margin
        high = min(high + margin, 0.0) if high <= 0 else high + margin
    ticks: tuple[float, ...] = ()
    if chart.has_axis:
        ticks = _ticks(chart, low, high, length)
        low, high = ticks[0], ticks[-1]
    return _with_room(low, high, chart, label / length, ticks)


def tick_texts(chart: Chart, ticks: Sequence[float]) -> list[str]:
    numbers = for_ticks(chart.numbers, ticks)
    return [numbers.write(tick) for tick in ticks]


def _ticks(chart: Chart, low: float, high: float, length: float) -> tuple[float, ...]:
    """Round values from at most `low` to at least `high`; fewer than the style wants where they would touch.

    `NoRoom` if even the fewest would.
    """
    font = Font(chart.style.font, round(chart.text, 1))
    for steps in range(chart.style.ticks, 0, -1):
        locator = MaxNLocator(
            steps, steps=[1, 2, 2.5, 5, 10], integer=chart.numbers.decimals == 0 and chart.numbers.divisor == 1
        )
        ticks = tuple(float(tick) for tick in locator.tick_values(low, high))
        widths = [number_width(text, font) if chart.horizontal else font.line for text in tick_texts(chart, ticks)]
        if sum(widths) <= length:
            return ticks
    raise NoRoom


def _with_room(low: float, high: float, chart: Chart, share: float, ticks: tuple[float, ...]) -> Axis:
    """The axis made longer, until that share of it lies beyond the values, at each end where values have labels."""
    if not chart.value_labels or chart.kind == "stacked":
        return Axis(low, high, ticks)
    share = min(share, MOST_LABEL)
    if chart.high > 0 or chart.kind == "line":
        high = max(high, chart.high + share * (chart.high - low) / (1 - share))
    if chart.low < 0 and chart.kind != "line":
        low = min(low, chart.low - share * (high - chart.low) / (1 - share))
    return Axis(low, high, ticks)
