"""Which two values are exchanged."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from stages.core.recipe.charts import ChartSettings, Kind
from stages.make_games.charts.swap import ChartTable, changes, draw_swap, exchange, value_range
from tests.make_games.charts.plain import shown

SETTINGS = ChartSettings()


def pairs(kind: Kind, table: ChartTable, **settings: object) -> set[frozenset[float]]:
    """The values that many draws exchange."""
    drawn = (draw_swap(kind, table, ChartSettings(**settings), True, Random(seed)) for seed in range(60))
    return {frozenset(float(change.before) for change in changes(table, swapped)) for swapped in drawn if swapped}


def test_two_values_are_exchanged_and_nothing_else() -> None:
    table = shown("abc", s=[1, 2, 3], t=[4, 5, 6])
    swapped = exchange(table, (0, 0), (2, 1))
    assert [series.values for series in swapped.series] == [(6, 2, 3), (4, 5, 1)]
    assert [(c.object, c.attribute, c.before, c.after) for c in changes(table, swapped)] == [
        (0, "s", "1", "6"),
        (2, "t", "6", "1"),
    ]
    assert exchange(swapped, (0, 0), (2, 1)) == table


def test_values_too_near_or_too_far_apart_are_not_exchanged() -> None:
    table = shown("wxyz", s=[100, 95, 60, 5])
    assert pairs("bar", table) == {frozenset({100, 60}), frozenset({95, 60})}
    assert not pairs("bar", table, min_difference=0.5)


def test_around_zero_values_are_near_within_half_of_the_span() -> None:
    assert pairs("bar", shown("xyz", s=[10, -2, -10])) == {frozenset({-2, -10})}


def test_slices_differ_by_a_share_of_the_whole() -> None:
    table = shown("xyz", s=[40, 37, 23])
    assert pairs("pie", table) == {frozenset({40, 23}), frozenset({37, 23})}


def test_points_keep_to_their_axis() -> None:
    table = shown("wxyz", x=[10, 20, 30, 40], y=[11, 21, 31, 41])
    assert all(len({value % 10 for value in pair}) == 1 for pair in pairs("scatter", table))


def test_bounds_keep_to_their_series() -> None:
    table = replace(shown("xyz", low=[10, 20, 30], high=[11, 21, 31]), bounded=True)
    assert all(len({value % 10 for value in pair}) == 1 for pair in pairs("grouped", table))


def test_shares_of_a_stack_keep_their_sum() -> None:
    table = shown(["2001", "2002"], times=True, s=[50, 30], t=[30, 45], u=[20, 25])
    assert pairs("area", table) == {
        frozenset({50, 30}),
        frozenset({50, 20}),
        frozenset({30, 20}),
        frozenset({45, 30}),
        frozenset({45, 25}),
    }


def test_rules_that_the_table_shows_hold_after_the_swap() -> None:
    smooth = shown([str(year) for year in range(2000, 2008)], times=True, s=[10, 12, 14, 16, 18, 20, 22, 24])
    assert not pairs("line", smooth) and not pairs("bar", smooth)  # any swap makes a dent, where there was none
    rough = replace(smooth, series=shown("abcdefgh", s=[10, 17, 12, 19, 15, 24, 16, 21]).series)
    assert len(pairs("line", rough)) > 4
    gaps = shown(["1995", "2000", "2005", "2010", "2011", "2012"], times=True, s=[60, 50, 46, 42, 41, 40])
    assert frozenset({42, 40}) not in pairs("line", gaps, min_difference=0.01)  # steep only because years are left out
    assert not pairs("bar", replace(smooth, measure="Cumulative share"))
    answers = shown(["Wrong", "Right"], x=[37, 53], y=[28, 52], z=[49, 43])
    assert frozenset({37, 52}) not in pairs("grouped", answers) and frozenset({37, 28}) in pairs("grouped", answers)
    assert frozenset({16, 57}) in pairs("bar", shown("ghi", s=[16, 57, 30]))
    assert pairs("bar", shown(["under 5", "6-11", "25+"], s=[16, 57, 30])) == {frozenset({16, 30}), frozenset({57, 30})}


def test_a_pattern_of_the_rows_holds_after_the_swap() -> None:
    below = shown("wxyz", s=[20, 35, 30, 45], t=[40, 60, 70, 80])
    found = pairs("grouped", below)
    assert found and not found & {frozenset({20, 40}), frozenset({35, 60}), frozenset({45, 80})}
    alike = shown("wxyz", s=[20, 41, 60, 85], t=[21, 40, 61, 84])
    assert not pairs("grouped", alike)
    years = replace(shown("xyz", **{"2001": [50, 60, 70], "2002": [54, 65, 75]}), bounded=True)
    assert all(abs(a - b) <= 10 for a, b in pairs("grouped", years))


def test_missing_and_equal_values_are_left_alone() -> None:
    assert pairs("grouped", shown("ab", s=[5, None], t=[5, 9])) == {frozenset({5, 9})}
    assert draw_swap("bar", shown("ab", s=[5, 5]), SETTINGS, True, Random(0)) is None


def test_what_the_two_share_is_drawn_first() -> None:
    table = shown("stuvwxyz", s=[20, 31, 22, 33, 24, 35, 26, 37], t=[30, 21, 32, 23, 34, 25, 36, 27])
    sorts: Counter[tuple[bool, bool]] = Counter()
    for seed in range(300):
        swapped = draw_swap("grouped", table, ChartSettings(min_difference=0.01), True, Random(seed))
        assert swapped is not None
        one, other = changes(table, swapped)
        sorts[(one.object == other.object, one.attribute == other.attribute)] += 1
    assert all(sorts[sort] > 60 for sort in ((True, False), (False, True), (False, False)))


@pytest.mark.parametrize(
    ("kind", "from_zero", "ends"),
    [("bar", False, (0, 6)), ("line", True, (0, 6)), ("line", False, (2, 6)), ("stacked", False, (0, 9))],
)
def test_the_range_of_values(kind: Kind, from_zero: bool, ends: tuple[float, float]) -> None:
    table = shown(["2001", "2002"], times=True, s=[2, 6], t=[5, 3])
    assert value_range(kind, [table], from_zero) == ends
