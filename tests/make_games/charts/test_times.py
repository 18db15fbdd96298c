"""Labels that are times."""

from __future__ import annotations

import pytest

from stages.make_games.charts.times import along_time, time_order


def in_order(*labels: str) -> list[str] | None:
    order = time_order(labels)
    return None if order is None else [labels[place] for place in order]


@pytest.mark.parametrize(
    ("given", "sorted_"),
    [
        (("2016", "2014*", "2015**"), ["2014*", "2015**", "2016"]),
        (("2015/16", "2014/15"), ["2014/15", "2015/16"]),
        (("Q1 2020", "Q4 2019"), ["Q4 2019", "Q1 2020"]),
        (("2020 Q1", "2019-Q4"), ["2019-Q4", "2020 Q1"]),
        (("Mar 2021", "December 2020", "Jan 2021"), ["December 2020", "Jan 2021", "Mar 2021"]),
        (("2021-03", "2020-12"), ["2020-12", "2021-03"]),
        (("2024-02-01", "2024-01-15"), ["2024-01-15", "2024-02-01"]),
    ],
)
def test_times_with_a_year_are_put_in_order(given: tuple[str, ...], sorted_: list[str]) -> None:
    assert in_order(*given) == sorted_


def test_a_season_may_span_the_new_year() -> None:
    assert in_order("Nov", "Dec", "Jan", "Feb") == ["Nov", "Dec", "Jan", "Feb"]


def test_days_from_the_latest_on_are_turned_round() -> None:
    assert in_order("April 16", "April 11", "March 2") == ["March 2", "April 11", "April 16"]


def test_weekdays_keep_their_order() -> None:
    assert in_order("Sat", "Sun", "Mon") == ["Sat", "Sun", "Mon"]


@pytest.mark.parametrize(
    "labels", [("Oslo", "Rome"), ("2014", "Total"), ("2014", "Jan 2015"), ("12", "13"), ("2014 to",), ()]
)
def test_other_labels_are_no_times(labels: tuple[str, ...]) -> None:
    assert time_order(labels) is None


def test_years_stand_along_a_line_by_their_distance() -> None:
    assert along_time(["2000", "2010", "2020", "2040"]) == pytest.approx([0, 0.75, 1.5, 3])


def test_other_labels_stand_evenly() -> None:
    assert along_time(["Jan", "Feb", "Mar"]) == [0, 1, 2]
