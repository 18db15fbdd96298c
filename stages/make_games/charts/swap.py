"""Swaps two values of a table so that players can see the swap, but not guess it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise, permutations
from random import Random
from typing import Any

from stages.core.changes import Change
from stages.core.recipe.charts import ChartSettings, Kind
from stages.make_games.charts.numbers import NO_UNIT, Unit
from stages.make_games.charts.times import in_order

MIN_SHARE = 0.05  # of the whole: two swapped slices differ by at least this, 18 degrees
# The largest ratio of two swapped values. Beyond it, general knowledge, such as of age groups, gives the swap away.
MOST_RATIO, ORDERED_RATIO = 4.0, 2.0
KINK = 1.25  # a swap's kinks may be this many times as sharp as the series' sharp ones, the sharpest fifth of its kinks
PATTERN = 4  # from this many rows, it shows that one column is always above another, or hardly differs from it
WHOLE = 101.5  # per cent, with rounding: rows or series that sum to no more must still do so after the swap
EQUAL = 0.03  # of the highest stack: stacks that all sum to 100 % must still do so after the swap
LONGEST_ON_AXIS = 40  # letters of a heading
MOST_TRIED = 60  # swaps of one kind to try until one keeps the rules

Place = tuple[int, int]  # row and series, both from 0
Values = tuple[float | None, ...]


@dataclass(frozen=True)
class Series:
    """A named sequence of numbers in one unit."""

    name: str
    values: Values
    unit: Unit = NO_UNIT


@dataclass(frozen=True)
class ChartTable:
    """What one chart shows: series of equal length over labels. `places`: the labels' positions in time, if any."""

    title: str
    heading: str  # of the labels
    measure: str  # what the values are
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    places: tuple[float, ...] = ()
    bounded: bool = False  # series are times, or bounds such as the highest: values are not swapped between series
    # The columns and rows of the file that the chart shows.
    origin: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def question(self) -> str:
        """The heading, if it is a question or too long for an axis, so that it must go into the title."""
        return self.heading if "?" in self.heading or len(self.heading) > LONGEST_ON_AXIS else ""


def exchange(table: ChartTable, first: Place, second: Place) -> ChartTable:
    """The table with the values at the two places swapped."""
    columns = [list(series.values) for series in table.series]
    (row, one), (other_row, other) = first, second
    columns[one][row], columns[other][other_row] = columns[other][other_row], columns[one][row]
    series = (replace(old, values=tuple(new)) for old, new in zip(table.series, columns, strict=True))
    return replace(table, series=tuple(series))


def changes(before: ChartTable, after: ChartTable) -> list[Change]:
    """The values that differ: row number, series name, and both values."""
    both = [(row, *pair) for row in range(len(before.labels)) for pair in zip(before.series, after.series, strict=True)]
    values = [(row, old.name, old.values[row], new.values[row]) for row, old, new in both]
    return [Change(row, name, f"{one:.10g}", f"{other:.10g}") for row, name, one, other in values if one != other]


def draw_swap(
    kind: Kind, table: ChartTable, settings: ChartSettings, from_zero: bool, draw: Random
) -> ChartTable | None:
    """The table with a visible swap, or None if none is possible.

    First picks what the two values share (row, series or neither), then the values. `from_zero`: whether a line's axis
    starts at 0.
    """
    found: dict[tuple[bool, bool], list[tuple[Place, Place]]] = {}
    cells = [(row, column) for row in range(len(table.labels)) for column in range(len(table.series))]
    present = [(row, column) for row, column in cells if table.series[column].values[row] is not None]
    sums = _heights(kind, table, None)
    stacks_are_equal = kind in ("stacked", "area") and max(sums) - min(sums) <= EQUAL * max(sums)
    natural = in_order(table.labels)[1] and not table.places
    for one, other in combinations(present, 2):
        if ((kind == "scatter" or table.bounded) and one[1] != other[1]) or (stacks_are_equal and one[0] != other[0]):
            continue
        if _fits(kind, table, one, other, settings, from_zero, ORDERED_RATIO if natural else MOST_RATIO):
            found.setdefault((one[0] == other[0], one[1] == other[1]), []).append((one, other))
    for sort in draw.sample(sorted(found), len(found)):
        for places in draw.sample(found[sort], min(len(found[sort]), MOST_TRIED)):
            swapped = exchange(table, *places)
            if kind == "scatter" or _keeps_rules(table, swapped):
                return swapped
    return None


def value_range(
    kind: Kind, tables: Sequence[ChartTable], from_zero: bool, column: int | None = None
) -> tuple[float, float]:
    """The lowest and highest value on the axis. It includes 0, except for scatter plots and lines without `from_zero`.

    A line's axis starts at 0 only if its values still look different then.
    """
    values = [value for table in tables for value in _heights(kind, table, column)]
    low, high = min(values), max(values)
    free = kind == "scatter" or (kind == "line" and not (from_zero and high - low > max(abs(low), abs(high)) / 2))
    return (low, high) if free else (min(low, 0.0), max(high, 0.0))


def _fits(
    kind: Kind, table: ChartTable, one: Place, other: Place, settings: ChartSettings, from_zero: bool, most: float
) -> bool:
    """Whether two values are far enough apart for a visible swap, and close enough for an unsuspicious one."""
    first, second = (table.series[column].values[row] or 0.0 for row, column in (one, other))
    smaller, larger = sorted((abs(first), abs(second)))
    if kind == "pie":
        whole = sum(_heights(kind, table, None))
        return abs(first - second) >= MIN_SHARE * whole and larger <= MOST_RATIO * smaller
    both = (table, exchange(table, one, other)) if kind in ("stacked", "area") else (table,)
    low, high = value_range(kind, both, from_zero, one[1] if kind == "scatter" else None)
    apart = abs(first - second)
    near = larger <= most * smaller if low >= 0 or high <= 0 else 2 * apart <= high - low
    return near and apart >= settings.min_difference * (high - low) and apart > 0


def _keeps_rules(table: ChartTable, swapped: ChartTable) -> bool:
    """Whether the swap keeps the table's visible patterns: sums up to 100 %, and series that are smooth or grow."""
    columns, other = ([[value or 0.0 for value in s.values] for s in t.series] for t in (table, swapped))
    for old, new in ((columns, other), (zip(*columns, strict=True), zip(*other, strict=True))):
        if max(map(sum, old)) <= WHOLE < max(map(sum, new)):
            return False
    old_series, new_series = ([s.values for s in t.series] for t in (table, swapped))
    rows = list(zip(zip(*old_series, strict=True), zip(*new_series, strict=True), strict=True))
    if len(rows) > 2 and (table.places or in_order(table.labels)[1]):
        grows = "cumul" in " ".join((table.title, table.measure, *(s.name for s in table.series))).casefold()
        if grows or not all(_stays_smooth([pair], table.places) for pair in zip(old_series, new_series, strict=True)):
            return False
    pattern = len(rows) >= PATTERN or table.bounded or in_order([each.name for each in table.series])[1]
    if len(table.series) == 1 or not pattern:
        return True
    return _stays_smooth(rows) and _orders(old for old, _ in rows) <= _orders(new for _, new in rows)


def _stays_smooth(pairs: Sequence[tuple[Values, Values]], places: Sequence[float] = ()) -> bool:
    """Whether the swapped series (second in each pair) have kinks hardly sharper than the original ones."""
    before, after = ([_kinks(pair[version], places) for pair in pairs] for version in (0, 1))
    known = sorted(kink for each in before for kink in each)
    made = [new for old, each in zip(before, after, strict=True) if old != each for new in set(each) - set(old)]
    return not made or max(made) <= KINK * known[-1 - len(known) // 5]


def _kinks(values: Values, places: Sequence[float]) -> list[float]:
    """How much the slope changes at each value, relative to the series' mean. Beyond both ends the slope is 0. Without
    `places`, values are equally spaced."""
    given = [(at, value) for at, value in zip(places or range(len(values)), values, strict=True) if value is not None]
    slopes = [(b - a) / ((later - at) or 1.0) for (at, a), (later, b) in pairwise(given)]
    off = [abs(after - before) for before, after in pairwise([0.0, *slopes, 0.0])] if slopes else []
    mean = sum(abs(value) for _, value in given) / max(len(given), 1)
    return [each / (mean or 1.0) for each in off]


def _orders(rows: Iterable[Values]) -> set[Place]:
    """The pairs of columns in which the first is never above the second, such as the lowest and the highest."""
    columns = list(enumerate(zip(*rows, strict=True)))
    return {(a, b) for (a, low), (b, high) in permutations(columns, 2) if all(map(_rises, low, high))}


def _rises(low: float | None, high: float | None) -> bool:
    return low is None or high is None or low <= high


def _heights(kind: Kind, table: ChartTable, column: int | None) -> list[float]:
    """The values that the axis must fit: for stacks, the sums of the rows."""
    series = table.series if column is None else table.series[column : column + 1]
    if kind in ("stacked", "area"):
        return [sum(each.values[row] or 0.0 for each in series) for row in range(len(table.labels))]
    return [value for each in series for value in each.values if value is not None]
