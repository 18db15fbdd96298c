"""Tables as charts need them: labels, and one or more series of numbers. Read from wide and long CSV."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from stages.core.errors import InputError
from stages.make_games.charts.cells import Cell, read_cell
from stages.make_games.charts.csv_files import Grid, read_grid
from stages.make_games.charts.times import time_order

_TIME_HEADINGS = {"year", "month", "date", "day", "week", "quarter", "time", "period"}


@dataclass(frozen=True)
class Series:
    """A named column of numbers."""

    name: str
    cells: tuple[Cell, ...]

    @property
    def unit(self) -> str:
        """What stands around its numbers, e.g. `%`."""
        return next((cell.unit for cell in self.cells if cell.unit), "")


@dataclass(frozen=True)
class ChartTable:
    """Series of one length over labels, which are unique. `ordered`: the labels are times, in order of time."""

    name: str  # of the file, without suffix
    heading: str  # of the labels
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    measure: str = ""  # what the numbers are, where the table has a word for it
    ordered: bool = False

    def rows(self, kept: Iterable[int]) -> ChartTable:
        """The table with these rows only, in this order."""
        places = list(kept)
        series = tuple(replace(column, cells=tuple(column.cells[place] for place in places)) for column in self.series)
        return replace(self, labels=tuple(self.labels[place] for place in places), series=series)


def read_table(path: Path) -> ChartTable:
    """The table in a CSV file; rows whose labels are times are put in order of time.

    Wide: labels, then a column a series. Long: three columns, of which the first two name what the third measures, so
    that a label may come again: taken for long if the middle column holds words, of whose combinations with the first
    column most have a number, or times under a heading such as Year or below labels that come again. Times become the
    rows, or else the first column does. `InputError` names file, line, column and remedy.
    """
    grid = read_grid(path)
    decimal = _decimal_mark(grid)
    table = _from_long(grid, decimal) if _is_long(grid, decimal) else _from_wide(grid, decimal)
    if not any(cell.value is not None for series in table.series for cell in series.cells):
        raise InputError(f"{path}: holds no number; a chart needs at least one column of them")
    order = time_order(table.labels)
    return table if order is None else replace(table.rows(order), ordered=True)


def turned(table: ChartTable) -> ChartTable:
    """Rows as series and series as rows."""
    labels = tuple(series.name for series in table.series)
    series = tuple(
        Series(label, tuple(column.cells[row] for column in table.series)) for row, label in enumerate(table.labels)
    )
    flipped = replace(table, heading="", labels=labels, series=series, ordered=False)
    order = time_order(labels)
    return flipped if order is None else replace(flipped.rows(order), ordered=True)


def words_of(table: ChartTable) -> str:
    """All words of the table in one string."""
    names = [series.name for series in table.series]
    cells = [cell.text for series in table.series for cell in series.cells]
    return "".join([table.name, table.heading, table.measure, *table.labels, *names, *cells])


def _decimal_mark(grid: Grid) -> str:
    """A comma where some number makes sense with no other decimal mark, such as 0,123 or 3,5; else a point.

    The file decides as a whole. A number that fits a point alone leaves the point, so that what does not fit is named.
    """
    cells = [cell for line in grid.lines for cell in line.cells[1:]]
    by_point, by_comma = (
        any(read_cell(cell, other) is None and read_cell(cell, mark) is not None for cell in cells)
        for mark, other in ((".", ","), (",", "."))
    )
    return "," if by_comma and not by_point else "."


def _is_long(grid: Grid, decimal: str) -> bool:
    if len(grid.header) != 3:
        return False
    firsts, middles = ([line.cells[column].strip() for line in grid.lines] for column in (0, 1))
    if not all(middles):
        return False
    combinations = len(set(firsts)) * len(set(middles))
    times = time_order(middles) is not None
    if not times and not any(read_cell(cell, decimal) for cell in middles):
        # A player's team says something else of him: of players and two teams, half of the combinations have a number.
        if 2 * len(grid.lines) <= combinations:
            _refuse_words(grid, combinations)
        return True
    if not times:
        return False
    # Below a heading such as Year may also stand when something was founded: then hardly any year comes twice.
    full = 2 * len(grid.lines) >= combinations
    return len(set(firsts)) < len(firsts) or (grid.header[1].casefold() in _TIME_HEADINGS and full)


def _refuse_words(grid: Grid, combinations: int) -> NoReturn:
    line, (first, middle, _) = grid.lines[0], grid.header
    raise InputError(
        f"{grid.path}: line {line.number}, column '{middle}': '{line.cells[1].strip()}' is not a number; nor does the "
        f"column name series, since of {combinations} combinations of '{first}' and '{middle}' only {len(grid.lines)} "
        "have a number; leave the column out, or list the others with an empty number"
    )


def _from_wide(grid: Grid, decimal: str) -> ChartTable:
    labels = tuple(key[0] for key in _keys(grid, columns=1))
    series = tuple(_series(grid, column, decimal) for column in range(1, len(grid.header)))
    measure = series[0].name if len(series) == 1 else ""
    return ChartTable(grid.path.stem, grid.header[0], labels, series, measure)


def _from_long(grid: Grid, decimal: str) -> ChartTable:
    keys, cells = _keys(grid, columns=2), _series(grid, 2, decimal).cells
    firsts, seconds = (list(dict.fromkeys(key[column] for key in keys)) for column in (0, 1))
    times_second = time_order(firsts) is None and time_order(seconds) is not None
    across, down = (0, 1) if times_second else (1, 0)  # columns that name series and rows
    labels, names = (seconds, firsts) if times_second else (firsts, seconds)
    by_names = {(key[across], key[down]): cell for key, cell in zip(keys, cells, strict=True)}
    missing = Cell("", None)
    series = tuple(Series(name, tuple(by_names.get((name, label), missing) for label in labels)) for name in names)
    return ChartTable(grid.path.stem, grid.header[down], tuple(labels), series, grid.header[2])


def _keys(grid: Grid, columns: int) -> list[tuple[str, ...]]:
    """What names each line: its first cells, of which none may be empty and no line may have another's."""
    seen: dict[tuple[str, ...], int] = {}
    for line in grid.lines:
        key = tuple(cell.strip() for cell in line.cells[:columns])
        if not all(key):
            raise InputError(f"{grid.path}: line {line.number}: has no label; give it one, or leave the line out")
        if key in seen:
            name = ", ".join(f"'{part}'" for part in key)
            raise InputError(
                f"{grid.path}: lines {seen[key]} and {line.number} have the same label {name}; rename one of them"
            )
        seen[key] = line.number
    return list(seen)


def _series(grid: Grid, column: int, decimal: str) -> Series:
    name, unit = grid.header[column], ""
    cells: list[Cell] = []
    for line in grid.lines:
        where = f"{grid.path}: line {line.number}, column '{name}'"
        text = line.cells[column].strip()
        cell = read_cell(text, decimal)
        if cell is None:
            raise InputError(f"{where}: '{text}' is not a number; write one, or leave the cell empty")
        if cell.unit and unit and cell.unit != unit:
            raise InputError(
                f"{where}: '{text}' is in {cell.unit}, but cells above are in {unit}; give each unit its own column"
            )
        unit = unit or cell.unit
        cells.append(cell)
    return Series(name, _with_unit(cells))


def _with_unit(cells: list[Cell]) -> tuple[Cell, ...]:
    """The column's cells; numbers without a unit take the column's, since turned they stand in other company."""
    of = next((cell for cell in cells if cell.unit), Cell("", None))
    return tuple(
        cell if cell.unit or cell.value is None else replace(cell, before=of.before, after=of.after) for cell in cells
    )
