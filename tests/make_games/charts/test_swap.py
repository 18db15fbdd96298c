"""Swaps that can be seen."""

from __future__ import annotations

from random import Random

import pytest

from stages.core.changes import Change
from stages.core.recipe.charts import ChartSettings
from stages.make_games.charts.swap import Place, Swap, changes, draw_swap, exchange, value_range
from tests.make_games.charts.plain import table

SETTINGS = ChartSettings(min_difference=0.2)


def swapped_values(kind, shown, from_zero=True, seeds=40):
    """All pairs of values that are swapped over many seeds."""
    found = set()
    for seed in range(seeds):
        swap = draw_swap(kind, shown, SETTINGS, from_zero, Random(seed))
        assert swap is not None
        found.add(tuple(sorted(shown.series[at.series].cells[at.row].value for at in (swap.first, swap.second))))
    return found


def test_exchange_moves_two_cells_and_no_other() -> None:
    before = table("abc", s=[1, 2, 3], t=[4, 5, 6])
    after = exchange(before, Swap(Place(0, 0), Place(2, 1)))
    assert [[cell.value for cell in series.cells] for series in after.series] == [[6, 2, 3], [4, 5, 1]]
    assert exchange(after, Swap(Place(0, 0), Place(2, 1))) == before


def test_changes_name_row_series_and_texts() -> None:
    before = table("abc", s=[1, 2, 3], t=[4, 5, 6])
    after = exchange(before, Swap(Place(2, 1), Place(0, 0)))
    assert changes(before, after) == [Change(0, "s", "1", "6"), Change(2, "t", "6", "1")]


@pytest.mark.parametrize("kind", ["bar", "grouped", "stacked", "line", "pie"])
def test_equal_values_cannot_be_swapped(kind) -> None:
    assert draw_swap(kind, table("abc", s=[5, 5, 5]), SETTINGS, True, Random(0)) is None


def test_a_bar_chart_swaps_what_differs_by_a_share_of_its_height() -> None:
    # From 0 to 100: at least 20 apart.
    assert swapped_values("bar", table("abcd", s=[100, 81, 79, 60])) == {(79, 100), (60, 100), (60, 81)}


def test_a_line_swaps_what_differs_by_a_share_of_its_span() -> None:
    # From 100 to 110: at least 2 apart.
    shown = table("abcd", ordered=True, s=[100, 101, 104, 110])
    assert swapped_values("line", shown, False) == {(100, 104), (100, 110), (101, 104), (101, 110), (104, 110)}


def test_a_pie_swaps_what_differs_by_a_share_of_the_whole() -> None:
    # Of 100: at least 5 apart.
    assert swapped_values("pie", table("abcd", s=[40, 36, 14, 10])) == {(14, 40), (10, 40), (14, 36), (10, 36)}


def test_a_stack_is_measured_by_the_height_of_both_pictures() -> None:
    # As given both stacks are 60 high; with 50 in place of 10 one is 100.
    shown = table("ab", s=[50, 10], t=[10, 50])
    assert value_range("stacked", (shown, exchange(shown, Swap(Place(0, 1), Place(1, 1)))), True) == (0, 100)


def test_missing_values_are_never_swapped() -> None:
    shown = table("abc", s=[None, 2, 9], t=[1, None, 5])
    assert all(None not in pair for pair in swapped_values("grouped", shown))


def test_swaps_share_a_series_a_row_or_neither() -> None:
    shown = table("abcd", s=[1, 20, 40, 60], t=[80, 100, 120, 140])
    sorts = {draw_swap("grouped", shown, SETTINGS, True, Random(seed)).sort for seed in range(30)}
    assert sorts == {"series", "row", "neither"}


def test_bars_always_begin_at_zero_and_lines_only_where_that_shows_their_differences() -> None:
    assert value_range("bar", (table("ab", s=[90, 100]),), False) == (0, 100)
    assert value_range("bar", (table("ab", s=[-3, 5]),), False) == (-3, 5)
    assert value_range("line", (table("ab", s=[90, 100]),), True) == (90, 100)
    assert value_range("line", (table("ab", s=[20, 100]),), True) == (0, 100)
    assert value_range("line", (table("ab", s=[20, 100]),), False) == (20, 100)
