"""Numbers as people write them."""

from __future__ import annotations

import pytest

from stages.make_games.charts.cells import read_cell, without_marks


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("45", 45), (" 3.50 ", 3.5), (".5", 0.5), ("1,234", 1234), ("1,234,567.8", 1234567.8), ("12 345", 12345),
        ("12\u202f345", 12345), ("1e6", 1e6), ("-7", -7), ("−7", -7), ("+6.2%", 6.2), ("49.9%", 49.9), ("$1.80", 1.8),
        ("-$3", -3), ("$-3", -3), ("US$ 12", 12), ("12 €", 12), ("61.2*", 61.2), ("61.2 [1]", 61.2), ("5¹", 5),
    ],
)  # fmt: skip
def test_numbers_are_read(text: str, value: float) -> None:
    cell = read_cell(text)
    assert cell is not None
    assert cell.value == pytest.approx(value)
    assert cell.text == text.strip()


@pytest.mark.parametrize("text", ["", "  ", "-", "–", "nan", "NaN", "n/a", "NA", "…"])
def test_missing_values_have_none(text: str) -> None:
    cell = read_cell(text)
    assert cell is not None
    assert cell.value is None


@pytest.mark.parametrize(
    "text", ["Job", "12,34", "1,2345", "--3", "3 of 4", "<1", "inf", "1e999", "12%%", "2014/15", "0x1F"]
)
def test_what_is_no_number_is_not_read(text: str) -> None:
    assert read_cell(text) is None


@pytest.mark.parametrize(("text", "value"), [("3,5", 3.5), ("1.234,5", 1234.5), ("-0,9", -0.9), ("7", 7)])
def test_decimal_commas(text: str, value: float) -> None:
    cell = read_cell(text, ",")
    assert cell is not None
    assert cell.value == pytest.approx(value)


def test_a_point_is_no_decimal_mark_beside_a_decimal_comma() -> None:
    assert read_cell("3.5", ",") is None


@pytest.mark.parametrize(("text", "unit"), [("5%", "%"), ("$5", "$"), ("5€", "€"), ("5", ""), ("", "")])
def test_units(text: str, unit: str) -> None:
    cell = read_cell(text)
    assert cell is not None
    assert cell.unit == unit


@pytest.mark.parametrize("text", ["2014", "2014*", "2014**", "2014¹", "2014 [1]", "2014 †", "2014*¹"])
def test_footnote_marks_do_not_count(text: str) -> None:
    assert without_marks(text) == "2014"
