"""Exchanging two values of a table so that it can be seen, but not guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from math import inf
from random import Random
from typing import Any

from stages.core.changes import Change
from stages.core.recipe.charts import ChartSettings, Kind
from stages.make_games.charts.numbers import NO_UNIT, Unit
from stages.make_games.charts.times import in_order

MIN_SHARE = 0.05  # of the whole, by which two slices that are swapped differ at least: 18 degrees
MOST_RATIO, ORDERED_RATIO = 4.0, 2.0  # of two swapped values: else knowledge of the world, as of age groups, shows it
JUMP = 1.05  # times the largest step of a series, by which a swapped value may lie beyond both of its neighbours
WHOLE = 101.5  # per cent, with rounding: what makes less in each row or series must do so after the swap
EQUAL = 0.03  # of the highest stack: what makes 100 % must do so after the swap

Place = tuple[int, int]  # row and series, both from 0
Values = tuple[float | None, ...]


@dataclass(frozen=True)
class Series:
    """A named row of numbers of one unit."""

    name: str
    values: Values
    unit: Unit = NO_UNIT


@dataclass(frozen=True)
class ChartTable:
    """What one chart shows: series of one length over labels. `places`: where the labels stand in time, if they do."""

    title: str
    heading: str  # of the labels
    measure: str  # what the values are
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    places: tuple[float, ...] = ()
    bounded: bool = False  # series are times, or bounds of others such as the highest: none exchange values
    # The columns of the file that are drawn, and which rows.
    origin: Mapping[str, Any] = field(default_factory=dict, repr=False)


def exchange(table: ChartTable, first: Place, second: Place) -> ChartTable:
    """The table with the values at the two places exchanged."""
    columns = [list(series.values) for series in table.series]
    (row, one), (other_row, other) = first, second
    columns[one][row], columns[other][other_row] = columns[other][other_row], columns[one][row]
    series = (replace(old, values=tuple(new)) for old, new in zip(table.series, columns, strict=True))
    return replace(table, series=tuple(series))


def changes(before: ChartTable, after: ChartTable) -> list[Change]:
    """The values that differ: the row's number, the series' name, and both numbers."""
    both = [(row, *pair) for row in range(len(before.labels)) for pair in zip(before.series, after.series, strict=True)]
    values = [(row, old.name, old.values[row], new.values[row]) for row, old, new in both]
    return [Change(row, name, f"{one:.10g}", f"{other:.10g}") for row, name, one, other in values if one != other]


def draw_swap(
    kind: Kind, table: ChartTable, settings: ChartSettings, from_zero: bool, draw: Random
) -> ChartTable | None:
    """The table with a swap that can be seen, or None if there is none.

    First it is drawn what the two values share, then which they are. `from_zero`: whether a line's axis begins at 0.
    """
    found: dict[tuple[bool, bool], list[tuple[Place, Place]]] = {}
    cells = [(row, column) for row in range(len(table.labels)) for column in range(len(table.series))]
    present = [(row, column) for row, column in cells if table.series[column].values[row] is not None]
    sums = _heights(kind, table, None)
    stacks_are_equal = kind in ("stacked", "area") and max(sums) - min(sums) <= EQUAL * max(sums)
    for one, other in combinations(present, 2):
        if ((kind == "scatter" or table.bounded) and one[1] != other[1]) or (stacks_are_equal and one[0] != other[0]):
            continue
        if _fits(kind, table, one, other, settings, from_zero) and _keeps_rules(table, exchange(table, one, other)):
            found.setdefault((one[0] == other[0], one[1] == other[1]), []).append((one, other))
    return exchange(table, *draw.choice(found[draw.choice(sorted(found))])) if found else None


def value_range(
    kind: Kind, tables: Sequence[ChartTable], from_zero: bool, column: int | None = None
) -> tuple[float, float]:
    """Lowest and highest value that charts of these tables show; zero is one of them but for lines without it.

    A line's axis begins at 0 at most if its values lie so far apart that they are told apart then.
    """
    values = [value for table in tables for value in _heights(kind, table, column)]
    low, high = min(values), max(values)
    free = kind == "scatter" or (kind == "line" and not (from_zero and high - low > max(abs(low), abs(high)) / 2))
    return (low, high) if free else (min(low, 0.0), max(high, 0.0))


def _fits(kind: Kind, table: ChartTable, one: Place, other: Place, settings: ChartSettings, from_zero: bool) -> bool:
    """Whether two values lie far enough apart to be seen, and near enough to be exchanged unsuspected."""
    first, second = (table.series[column].values[row] or 0.0 for row, column in (one, other))
    smaller, larger = sorted((abs(first), abs(second)))
    if kind == "pie":
        whole = sum(_heights(kind, table, None))
        return abs(first - second) >= MIN_SHARE * whole and larger <= MOST_RATIO * smaller
    both = (table, exchange(table, one, other)) if kind in ("stacked", "area") else (table,)
    low, high = value_range(kind, both, from_zero, one[1] if kind == "scatter" else None)
    apart = abs(first - second)
    most = ORDERED_RATIO if in_order(table.labels)[1] and not table.places else MOST_RATIO
    near = larger <= most * smaller if low >= 0 or high <= 0 else 2 * apart <= high - low
    return near and apart >= settings.min_difference * (high - low) and apart > 0


def _keeps_rules(table: ChartTable, swapped: ChartTable) -> bool:
    """Whether what shows in the table holds after the swap: sums up to 100 %, and smooth or cumulative series."""
    columns, other = ([[value or 0.0 for value in s.values] for s in t.series] for t in (table, swapped))
    for old, new in ((columns, other), (zip(*columns, strict=True), zip(*other, strict=True))):
        if max(map(sum, old)) <= WHOLE < max(map(sum, new)):
            return False
    if len(table.places) < 3:
        return True
    pairs = [(old.values, new.values) for old, new in zip(table.series, swapped.series, strict=True) if old != new]
    grows = "cumul" in " ".join((table.title, table.measure, *(s.name for s in table.series))).casefold()
    return not grows and all(_jump(new) <= JUMP * _step(old) for old, new in pairs)


def _step(values: Values) -> float:
    """The largest step from a value to the next; of a series without neighbours, any."""
    return max((abs(b - a) for a, b in pairwise(values) if a is not None and b is not None), default=inf)


def _jump(values: Values) -> float:
    """How far a value lies beyond its neighbours, at most."""
    beside = zip(values, (None, *values), (*values[1:], None), strict=False)
    each = [(v, [n for n in around if n is not None]) for v, *around in beside if v is not None]
    return max((max(v - max(near), min(near) - v) for v, near in each if near), default=0.0)


def _heights(kind: Kind, table: ChartTable, column: int | None) -> list[float]:
    """The values as the axis must hold them: of stacks the rows' sums."""
    series = table.series if column is None else table.series[column : column + 1]
    if kind in ("stacked", "area"):
        return [sum(each.values[row] or 0.0 for each in series) for row in range(len(table.labels))]
    return [value for each in series for value in each.values if value is not None]
