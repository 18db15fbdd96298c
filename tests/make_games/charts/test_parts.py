"""Which kinds fit a table, and what of it they show."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from stages.core.recipe.charts import Kind
from stages.make_games.charts.cells import Cell
from stages.make_games.charts.parts import MOST_BARS, MOST_ROWS, MOST_SERIES, cut, fitting
from stages.make_games.charts.tables import ChartTable, Series, read_table
from tests.make_games.charts.plain import table, write

KINDS: tuple[Kind, ...] = ("bar", "grouped", "stacked", "line", "pie")


def one_series(*texts: tuple[float, str]) -> ChartTable:
    cells = tuple(Cell(f"{value}{unit}", value, after=unit) for value, unit in texts)
    return ChartTable("things", "Thing", tuple("abcdefgh"[: len(cells)]), (Series("s", cells),))


def test_one_column_without_times_is_bars_or_a_pie() -> None:
    assert fitting(table("abc", s=[1, 2, 3]), KINDS) == ["bar", "pie"]


def test_times_are_lines_but_no_pie() -> None:
    assert fitting(table(["2001", "2002", "2003"], ordered=True, s=[1, 2, 3]), KINDS) == ["bar", "line"]


def test_several_columns_may_be_grouped_and_stacked() -> None:
    assert fitting(table("abc", s=[1, 2, 3], t=[4, 5, 6]), KINDS) == ["bar", "grouped", "stacked", "pie"]


def test_what_lies_below_zero_is_neither_stacked_nor_a_pie() -> None:
    assert fitting(table("abc", s=[1, -2, 3], t=[-4, 5, -6]), KINDS) == ["bar", "grouped"]


def test_prices_and_shares_of_different_wholes_are_no_pie() -> None:
    assert fitting(one_series((50, "%"), (30, "%"), (20, "%")), KINDS) == ["bar", "pie"]
    assert fitting(one_series((50, "%"), (30, "%"), (70, "%")), KINDS) == ["bar"]
    assert fitting(one_series((50, "€"), (30, "€"), (20, "€")), KINDS) == ["bar"]


def test_a_single_number_fits_nothing() -> None:
    assert fitting(table("ab", s=[1, None]), KINDS) == []


def test_bars_leave_out_rows_without_a_value() -> None:
    part = cut(table("abcd", s=[1, None, 3, 4]), "bar", Random(0))
    assert (part.table.labels, part.whole_rows) == (("a", "c", "d"), 3)


def test_stacks_leave_out_rows_that_lack_one() -> None:
    shown = table("abc", s=[1, None, 3], t=[4, 5, 6])
    for seed in range(10):
        part = cut(shown, "stacked", Random(seed))
        assert {cell.value is None for series in part.table.series for cell in series.cells} == {False}


def test_lines_keep_gaps() -> None:
    part = cut(
        table(["2001", "2002", "2003", "2004"], ordered=True, s=[1, None, 3, 4], t=[1, 2, 3, 4]),
        "line",
        Random(0),
    )
    assert part.table.labels == ("2001", "2002", "2003", "2004")
    assert part.table.series[0].cells[1].value is None


def test_of_a_long_table_a_stretch_is_shown() -> None:
    long = table([f"row {number}" for number in range(40)], s=list(range(1, 41)))
    starts = set()
    for seed in range(20):
        part = cut(long, "bar", Random(seed))
        first = long.labels.index(part.table.labels[0])
        assert part.table.labels == long.labels[first : first + MOST_ROWS]
        assert [cell.value for cell in part.table.series[0].cells] == list(range(first + 1, first + 13))
        assert part.whole_rows == 40
        starts.add(first)
    assert len(starts) > 5


def test_of_many_series_some_are_shown_in_the_tables_order() -> None:
    wide = table([f"row {number}" for number in range(30)], **{name: [1.0] * 30 for name in "abcdefg"})
    for seed in range(5):
        part = cut(wide, "grouped", Random(seed))
        names = [series.name for series in part.table.series]
        assert names == sorted(names)
        assert len(names) == MOST_SERIES
        assert len(part.table.labels) * len(names) <= MOST_BARS


def test_entities_over_years_become_lines_along_the_years() -> None:
    wide = table("ab", **{"2003": [5, 6], "2001": [1, 2], "2002": [3, 4]})
    part = cut(wide, "line", Random(0))
    assert part.turned
    assert part.table.labels == ("2001", "2002", "2003")
    assert [cell.value for cell in part.table.series[0].cells] == [1, 3, 5]


MIXED = "Town,Price,Share,Visitors,Rent\nA,$5,10%,100,$4\nB,9,40%,60,$3\nC,$2,50%,90,$8\nD,$7,20%,5,$1\n"


def units(shown: ChartTable) -> set[str]:
    """Of all numbers that the chart shows along one axis."""
    return {cell.unit for series in shown.series for cell in series.cells if cell.value is not None}


@pytest.mark.parametrize("kind", KINDS)
def test_all_numbers_of_a_chart_are_of_one_unit(tmp_path: Path, kind: Kind) -> None:
    mixed = read_table(write(tmp_path, "mixed.csv", MIXED))
    parts = [cut(mixed, kind, Random(seed)) for seed in range(20)] if fitting(mixed, [kind]) else []
    assert (parts != []) == (kind in ("bar", "grouped", "stacked", "pie"))
    assert all(len(units(part.table)) == 1 for part in parts)
    assert kind not in ("grouped", "stacked") or {part.turned for part in parts} == {False, True}


def test_columns_of_three_units_are_not_turned_into_one_series(tmp_path: Path) -> None:
    three = read_table(write(tmp_path, "three.csv", "\n".join(line.rsplit(",", 1)[0] for line in MIXED.split())))
    assert fitting(three, KINDS) == ["bar", "pie"]
    assert not any(cut(three, "bar", Random(seed)).turned for seed in range(20))


def test_years_in_the_headings_are_turned_with_their_unit(tmp_path: Path) -> None:
    years = read_table(write(tmp_path, "years.csv", "Town,2001,2002,2003\nA,$1,$2,3\nB,4,5,$6\n"))
    part = cut(years, "line", Random(0))
    assert (part.turned, units(part.table)) == (True, {"$"})
