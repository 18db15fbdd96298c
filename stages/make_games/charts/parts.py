"""What of a table one chart shows: which kinds fit it, and the rows and series that are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

from stages.core.recipe.charts import Kind
from stages.make_games.charts.tables import ChartTable, Series, turned

FEWEST = {"bar": 2, "grouped": 2, "stacked": 2, "line": 3, "pie": 3}  # rows
MOST_ROWS, MOST_POINTS = (
    12,
    24,
)  # drawn as bars (a year's months), and along a line; of a longer table a stretch is drawn
MOST_SLICES, MOST_SERIES = 7, 4  # so that colours are told apart; of a wider table some series are drawn
MOST_BARS = 28  # of a grouped chart, so that one is 10 pixels wide at 480
WHOLE_WITHIN = 5  # per cent; rounded shares seldom make 100


@dataclass(frozen=True)
class Part:
    """A kind of chart and the table that it shows: of the file's, perhaps turned, some rows and series.

    `whole_rows`, `whole_series`: how many rows and series there were to draw from.
    """

    kind: Kind
    table: ChartTable
    turned: bool
    whole_rows: int
    whole_series: int


def fitting(table: ChartTable, kinds: Iterable[Kind]) -> list[Kind]:
    """The kinds that can show the table."""
    return [kind for kind in kinds if _views(table, kind)]


def cut(table: ChartTable, kind: Kind, draw: Random) -> Part:
    """A part of the table that the kind can show, drawn where there is a choice. The kind must fit the table."""
    flipped, view = draw.choice(_views(table, kind))
    chosen = _series_for(kind, view, draw)
    shown = usable(kind, replace(view, series=chosen))
    limit = _most_rows(kind, len(chosen))
    start = draw.randrange(max(len(shown.labels) - limit, 0) + 1)
    part = shown.rows(range(start, min(start + limit, len(shown.labels))))
    return Part(kind, part, flipped, len(shown.labels), len(view.series))


def usable(kind: Kind, table: ChartTable) -> ChartTable:
    """The table without the rows that the kind cannot show.

    A line has gaps for missing values and a grouped chart free places, as long as some value of the row is there; bars
    and stacks need all values of a row, since a stack without one would be too low; a pie has only slices above 0.
    """
    rows = range(len(table.labels))
    values = [[series.cells[row].value for series in table.series] for row in rows]
    if kind in ("line", "grouped"):
        return table.rows(row for row in rows if any(value is not None for value in values[row]))
    if kind == "pie":
        return table.rows(row for row in rows if (values[row][0] or 0) > 0)
    return table.rows(row for row in rows if all(value is not None for value in values[row]))


def _views(table: ChartTable, kind: Kind) -> list[tuple[bool, ChartTable]]:
    """The table as it stands and turned, as far as the kind can show them; only with the series that it can show."""
    # Turned, a row's numbers become a series: they are drawn along one axis, so that all must be of one unit.
    alike = replace(table, series=tuple(_of_one_unit(table.series)))
    worth_turning = len(alike.series) >= (2 if kind in ("grouped", "stacked") else 3)
    both = [(False, table), (True, turned(alike))] if worth_turning else [(False, table)]
    fit = [(flipped, replace(view, series=tuple(_showable(kind, view)))) for flipped, view in both]
    many = 2 if kind in ("grouped", "stacked") else 1
    return [(flipped, view) for flipped, view in fit if len(view.series) >= many and _enough(kind, view)]


def _enough(kind: Kind, view: ChartTable) -> bool:
    """Whether enough rows stay, whichever series are drawn."""
    if kind == "stacked":
        return len(usable(kind, view).labels) >= FEWEST[kind]
    return kind != "line" or view.ordered


def _showable(kind: Kind, view: ChartTable) -> list[Series]:
    """The series that the kind can show: with enough numbers, for parts of a whole none below 0, all of one unit."""
    found = [series for series in view.series if _numbers(kind, series) >= FEWEST[kind]]
    if kind == "pie":
        return [series for series in found if _adds_up(series) and not view.ordered]
    return found if kind == "bar" else _of_one_unit(found)


def _of_one_unit(found: Sequence[Series]) -> list[Series]:
    """Those of the unit that most of the series have; of units that are equally frequent, the first."""
    units = [series.unit for series in found]
    common = max(dict.fromkeys(units), key=units.count, default="")
    return [series for series in found if series.unit == common]


def _adds_up(series: Series) -> bool:
    """Whether a pie would not say something foolish: prices are no parts of a whole, and shares must be those of one.

    Nor are a year's months, or rates without a unit; the former are told by their labels, the latter cannot be.
    """
    whole = sum(cell.value or 0.0 for cell in series.cells)
    return series.unit == "" or (series.unit == "%" and abs(whole - 100) <= WHOLE_WITHIN)


def _numbers(kind: Kind, series: Series) -> int:
    values = [cell.value for cell in series.cells if cell.value is not None]
    if kind in ("pie", "stacked") and any(value < 0 for value in values):
        return 0
    return sum(value > 0 for value in values) if kind == "pie" else len(values)


def _series_for(kind: Kind, view: ChartTable, draw: Random) -> tuple[Series, ...]:
    """Some of the view's series, in its order; a single one for bars and pies."""
    count = len(view.series)
    if kind in ("bar", "pie"):
        return (draw.choice(view.series),)
    places: Sequence[int] = range(count)
    if count > MOST_SERIES:
        places = sorted(draw.sample(range(count), MOST_SERIES))
    return tuple(view.series[place] for place in places)


def _most_rows(kind: Kind, series: int) -> int:
    if kind == "line":
        return MOST_POINTS
    if kind == "pie":
        return MOST_SLICES
    if kind == "grouped":
        return max(min(MOST_ROWS, MOST_BARS // series), FEWEST[kind])
    return MOST_ROWS
