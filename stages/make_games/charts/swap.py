"""Exchanging two values of a table so that it can be seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from random import Random

from stages.core.changes import Change
from stages.core.recipe.charts import ChartSettings, Kind
from stages.make_games.charts.tables import ChartTable

MIN_SHARE = 0.05  # of the whole, by which two slices that are swapped differ at least: 18 degrees


@dataclass(frozen=True)
class Place:
    """A cell: row and series, both from 0."""

    row: int
    series: int


@dataclass(frozen=True)
class Swap:
    """Two cells that exchange their values."""

    first: Place
    second: Place

    @property
    def sort(self) -> str:
        """What the two have in common."""
        if self.first.series == self.second.series:
            return "series"
        return "row" if self.first.row == self.second.row else "neither"


def exchange(table: ChartTable, swap: Swap) -> ChartTable:
    """The table with the two cells in each other's place."""
    columns = [list(series.cells) for series in table.series]
    a, b = swap.first, swap.second
    columns[a.series][a.row], columns[b.series][b.row] = columns[b.series][b.row], columns[a.series][a.row]
    series = (replace(old, cells=tuple(new)) for old, new in zip(table.series, columns, strict=True))
    return replace(table, series=tuple(series))


def changes(before: ChartTable, after: ChartTable) -> list[Change]:
    """The cells that differ: the row's number, the series' name, and both texts."""
    return [
        Change(row, old.name, old.cells[row].text, new.cells[row].text)
        for row in range(len(before.labels))
        for old, new in zip(before.series, after.series, strict=True)
        if old.cells[row] != new.cells[row]
    ]


def draw_swap(kind: Kind, table: ChartTable, settings: ChartSettings, from_zero: bool, draw: Random) -> Swap | None:
    """A swap that can be seen, or None if there is none.

    First it is drawn what the two cells share (a series, a row, neither), then which they are, since most pairs of
    cells share neither. That can be seen and what cannot is the same either way round: from the table to the swapped
    one and back. `from_zero`: whether the axis of a line begins at 0.
    """
    found: dict[str, list[Swap]] = {}
    cells = [Place(row, column) for row in range(len(table.labels)) for column in range(len(table.series))]
    present = [cell for cell in cells if _value(table, cell) is not None]
    for swap in (Swap(*both) for both in combinations(present, 2)):
        if _visible(kind, table, swap, settings, from_zero):
            found.setdefault(swap.sort, []).append(swap)
    return draw.choice(found[draw.choice(sorted(found))]) if found else None


def value_range(kind: Kind, tables: tuple[ChartTable, ...], from_zero: bool) -> tuple[float, float]:
    """Lowest and highest value that charts of these tables show; zero is one of them but for lines without it.

    A line's axis begins at 0 at most if its values lie so far apart that they are told apart then.
    """
    values = [value for table in tables for value in _heights(kind, table)]
    low, high = min(values), max(values)
    if kind != "line" or (from_zero and high - low > max(abs(low), abs(high)) / 2):
        return min(low, 0.0), max(high, 0.0)
    return low, high


def _visible(kind: Kind, table: ChartTable, swap: Swap, settings: ChartSettings, from_zero: bool) -> bool:
    first, second = _value(table, swap.first), _value(table, swap.second)
    if first is None or second is None or first == second:
        return False
    if kind == "pie":
        return abs(first - second) >= MIN_SHARE * sum(_heights(kind, table))
    both = (table, exchange(table, swap)) if kind == "stacked" else (table,)
    low, high = value_range(kind, both, from_zero)
    return abs(first - second) >= settings.min_difference * (high - low)


def _heights(kind: Kind, table: ChartTable) -> list[float]:
    """The values as the axis must hold them: of a stacked chart the rows' sums."""
    if kind == "stacked":
        return [sum(series.cells[row].value or 0.0 for series in table.series) for row in range(len(table.labels))]
    return [cell.value for series in table.series for cell in series.cells if cell.value is not None]


def _value(table: ChartTable, place: Place) -> float | None:
    return table.series[place.series].cells[place.row].value
