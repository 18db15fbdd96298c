"""Labels that are times."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from stages.make_games.charts.times import in_order, time_places, without_marks


@pytest.mark.parametrize(
    "labels",
    [
        ["2001", "2002*", "2004 [1]"], ["2013/14", "2014/15"], ["FY 2013", "FY 2014"], ["Q1 2020", "Q2 2020", "Q1 2021"],
        ["2020Q1", "2020Q4"], ["Jan 2020", "February 2020"], ["2020-01", "2020-02"], ["Jan-20 2019", "Mar-5 2020"],
        ["2020-01-31", "2020-02-01"], ["31.12.2019", "1.2.2020"], ["13/01/2020", "01/02/2020"], ["1/31/2020", "2/1/2020"], ["01/10/1976", "01/11/1976", "01/01/1977"],
        ["March 3, 2020", "Apr 1, 2020"], ["3 March 2020", "1st April 2020"], ["2020-01-01T01:00:00Z", "2020-01-01T02:00:00Z"],
        ["2020-01-01 23:00+00:00", "2020-01-02 01:00+01:00"], ["2015/01/01 01:00:00", "2015/01/01 04:00:00"],
        ["Jan", "Feb", "Dec"], ["Nov", "Dec", "Jan"], ["Monday", "Tuesday"], ["Q1", "Q2"], ["1 May", "3 May"],
    ],
)  # fmt: skip
def test_times_of_one_form_go_forward(labels: list[str]) -> None:
    places = time_places(labels)
    assert places is not None
    assert all(earlier <= later for earlier, later in pairwise(places))
    assert places[0] < places[-1] or labels[0].startswith("2020-01-01 23")  # one moment in two time zones


@pytest.mark.parametrize(
    "labels",
    [["A", "B"], ["2001", "Jan"], ["2001", "about 2002"], ["3000", "4000"], ["12.5", "13.5"], ["2020-13-45", "2020-01-01"], []],
)  # fmt: skip
def test_others_are_no_times(labels: list[str]) -> None:
    assert time_places(labels) is None


def test_years_stand_by_their_distance() -> None:
    assert time_places(["1990", "2000", "2020"]) == [1990, 2000, 2020]
    quarters = time_places(["Q1 2000", "Q3 2000", "Q1 2001"])
    assert quarters == [2000, 2000.5, 2001]


def test_months_without_a_year_keep_a_season_but_no_disorder() -> None:
    assert time_places(["Nov", "Dec", "Jan"]) == [0, 1, 2]
    assert time_places(["Dec", "Nov", "Oct"]) == [2, 1, 0]
    assert time_places(["Sun", "Sat", "Thur", "Fri"]) == [3, 2, 0, 1]


def test_plain_numbers_are_times_where_the_heading_says_so() -> None:
    assert time_places(["1", "12"], "month") == [1, 12]
    assert time_places(["1", "13"], "month") is None
    assert time_places(["900", "1000"], "year") == [900, 1000]
    assert time_places(["70", "82"], "model year") == [70, 82]
    assert time_places(["85", "115", "600"], "year") is None  # days since some day


@pytest.mark.parametrize(
    "labels",
    [["First", "Second", "Third"], ["A+", "A", "A-", "A/B", "B+", "C-", "F"], ["under 5", "5-9", "10-24", "65+"], ["18-24 years", "Over 65"]],
)  # fmt: skip
def test_labels_with_a_natural_order_have_it(labels: list[str]) -> None:
    assert in_order(labels[::-1]) == (labels, True)
    assert in_order(["Ulm", "Bern", *labels[:1]]) == (["Ulm", "Bern", *labels[:1]], False)


@pytest.mark.parametrize("text", ["2014", "2014*", "2014**", "2014¹", "2014 [1]", "2014 †"])
def test_footnote_marks_do_not_count(text: str) -> None:
    assert without_marks(text) == "2014"


def test_long_labels_are_told_in_no_time() -> None:
    start = time.process_time()
    for label in (
        "1" * 50_000,
        " " * 50_000 + "x",
        "jan" * 20_000,
        "1-" * 30_000,
        "*" * 50_000 + "x",
        "jan" + " " * 50_000 + "x",
        "jan" + "1 " * 25_000 + "x",
    ):
        assert time_places([label]) is None
    assert time.process_time() - start < 1
