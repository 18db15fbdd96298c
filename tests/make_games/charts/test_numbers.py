"""Numbers as people write them, and as charts do."""

from __future__ import annotations

import time

import polars as pl
import pytest

from stages.make_games.charts.numbers import Unit, decimal_mark, format_for, read_numbers


def number(text: str, decimal: str = ".") -> float | None:
    return read_numbers(pl.Series("x", [text]), decimal).values[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("45", 45), ("3.50", 3.5), (".5", 0.5), ("1,234", 1234), ("1,234,567.8", 1234567.8), ("12 345", 12345),
        ("12\u202f345", 12345), ("1'234", 1234), ("1’234’567", 1234567), ("12,34,567", 1234567), ("1e6", 1e6), ("-7", -7),
        ("−7", -7), ("(1,234)", -1234), ("($5)", -5), ("+6.2%", 6.2), ("$1.80", 1.8), ("-$3", -3), ("$-3", -3),
        ("US$ 12", 12), ("12 €", 12), ("1.2k", 1200), ("3.4M", 3.4e6), ("2 million", 2e6), ("$1.5bn", 1.5e9), ("12 km", 12),
        ("25 °C", 25), ("80 km/h", 80), ("61.2*", 61.2), ("61.2 [1]", 61.2), ("5¹", 5),
    ],
)  # fmt: skip
def test_numbers_are_read(text: str, value: float) -> None:
    assert number(text) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    ["", "-", "–", "nan", "n/a", "…", "Job", "12,34", "1,2345", "--3", "3 of 4", "<1", "inf", "1e999", "12%%", "2014/15",
     "0x1F", "0,123", "1st", "3pm", "(5"],
)  # fmt: skip
def test_what_is_no_number_is_missing(text: str) -> None:
    assert number(text) is None


@pytest.mark.parametrize(
    ("text", "value"), [("3,5", 3.5), ("1.234,5", 1234.5), ("-0,9", -0.9), ("7", 7), ("0,123", 0.123)]
)
def test_decimal_commas_are_read(text: str, value: float) -> None:
    assert number(text, ",") == pytest.approx(value)
    assert number("3.5", ",") is None


@pytest.mark.parametrize(
    ("cells", "mark"), [(["0,123", "0,456"], ","), (["3.5", "2"], "."), (["1,234", "5"], None), (["1.234.567"], ",")]
)
def test_the_decimal_mark_follows_from_a_number_that_needs_it(cells: list[str], mark: str | None) -> None:
    assert decimal_mark([pl.Series("x", cells)]) == mark


def test_a_column_has_one_unit() -> None:
    read = read_numbers(pl.Series("x", ["5 km", "7", "n/a"]), ".")
    assert (read.unit, read.share, read.mixed) == (Unit("", " km"), 1.0, False)
    assert read_numbers(pl.Series("x", ["5 km", "7 mi"]), ".").mixed
    assert read_numbers(pl.Series("x", ["$5", "6"]), ".").unit == Unit("$")
    assert read_numbers(pl.Series("x", ["5", "six"]), ".").share == 0.5
    odd = read_numbers(pl.Series("x", ["3", "4", "9 combined", *"5678"]), ".")
    assert (odd.unit, odd.values.to_list()[:4]) == (Unit(), [3, 4, None, 5])


@pytest.mark.parametrize("text", ["1" + " " * 50_000 + "x", "1" + "*" * 50_000 + "x", "1,111" * 10_000])
def test_long_cells_are_read_in_no_time(text: str) -> None:
    start = time.process_time()
    assert number(text) is None
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("values", "unit", "written"),
    [
        ([3.5, 2.25], Unit(), "3.50"), ([1234567.0], Unit(), "1,234,567"), ([12_345_678.0], Unit(), "12.35M"),
        ([4e9, 2.5e9], Unit(), "4.0B"), ([6.4, 5.0], Unit("$"), "$6.40"), ([-3.0], Unit(after=" km"), "−3 km"),
        ([0.0007], Unit(after="%"), "0.0007%"), ([0.30000000000000004], Unit(), "0.3"),
    ],
)  # fmt: skip
def test_charts_write_few_digits(values: list[float], unit: Unit, written: str) -> None:
    assert format_for(values, unit).write(values[0]) == written


def test_nothing_is_written_as_no_millions() -> None:
    assert [format_for([0.0, 2e7], Unit("$")).write(value) for value in (0.0, 2e7)] == ["$0", "$20M"]
