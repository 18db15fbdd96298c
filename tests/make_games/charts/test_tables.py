"""Tables in all the forms that are read, and one message for each that is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.make_games.charts.tables import ChartTable, read_table, turned
from tests.make_games.charts.plain import write


def read(folder: Path, text: str, name: str = "things.csv") -> ChartTable:
    return read_table(write(folder, name, text))


def values(table: ChartTable) -> dict[str, list[float | None]]:
    return {series.name: [cell.value for cell in series.cells] for series in table.series}


def test_a_wide_table(tmp_path: Path) -> None:
    table = read(tmp_path, 'Country,"Share, 2010",Rate\n"Korea, South",12,nan\nPeru,"1,234",5%\n')
    assert (table.name, table.heading, table.labels) == ("things", "Country", ("Korea, South", "Peru"))
    assert values(table) == {"Share, 2010": [12, 1234], "Rate": [None, 5]}
    assert [cell.text for cell in table.series[0].cells] == ["12", "1,234"]
    assert not table.ordered


def test_long_and_wide_are_the_same_table(tmp_path: Path) -> None:
    wide = read(tmp_path / "wide", "Year,Wind,Coal\n2010,8,46\n2011,9,44\n2012,11,\n")
    long = read(
        tmp_path / "long", "Entity,Year,Value\nWind,2010,8\nWind,2011,9\nWind,2012,11\nCoal,2010,46\nCoal,2011,44\n"
    )
    assert (long.heading, long.labels, long.series, long.ordered) == ("Year", wide.labels, wide.series, True)
    assert long.measure == "Value"


def test_a_long_table_without_times_has_its_first_column_as_rows(tmp_path: Path) -> None:
    table = read(tmp_path, "Club,Group,Members\nChess,Women,26\nChess,Men,73\nJudo,Women,61\nJudo,Men,88\n")
    assert (table.heading, table.labels) == ("Club", ("Chess", "Judo"))
    assert values(table) == {"Women": [26, 61], "Men": [73, 88]}


def test_a_long_table_may_lack_some_combinations(tmp_path: Path) -> None:
    table = read(tmp_path, "Club,Group,Members\nChess,Women,26\nChess,Men,73\nJudo,Women,61\n")
    assert values(table) == {"Women": [26, 61], "Men": [73, None]}


@pytest.mark.parametrize("teams", [("Reds", "Blues"), ("Reds", "Blues", "Greens", "Whites")])
def test_words_that_tell_more_of_each_label_do_not_make_a_table_long(tmp_path: Path, teams: tuple[str, ...]) -> None:
    goals = "".join(f"P{number},{teams[number % len(teams)]},{number}\n" for number in range(8))
    with pytest.raises(InputError, match="column 'Team': 'Reds' is not a number") as caught:
        read(tmp_path, f"Player,Team,Goals\n{goals}")
    assert f"of {8 * len(teams)} combinations of 'Player' and 'Team' only 8 have a number" in str(caught.value)
    assert "leave the column out" in str(caught.value)


def test_a_number_without_a_unit_takes_its_columns(tmp_path: Path) -> None:
    table = read(tmp_path, "Town,Price\nA,5\nB,$7\nC,\n")
    assert [(cell.text, cell.unit) for cell in table.series[0].cells] == [("5", "$"), ("$7", "$"), ("", "")]


def test_one_year_of_many_towns_is_long_by_its_heading(tmp_path: Path) -> None:
    table = read(tmp_path, "Town,Year,People\nA,2010,5\nB,2010,7\nC,2010,9\n")
    assert table.labels == ("2010",)
    assert values(table) == {"A": [5], "B": [7], "C": [9]}


def test_years_of_foundation_do_not_make_a_table_long(tmp_path: Path) -> None:
    table = read(tmp_path, "Town,Year,People\nA,1710,5\nB,1850,7\nC,1921,9\n")
    assert values(table) == {"Year": [1710, 1850, 1921], "People": [5, 7, 9]}


def test_two_columns_of_numbers_are_wide_even_if_they_could_be_years(tmp_path: Path) -> None:
    assert list(values(read(tmp_path, "Shop,2015,2016\nA,1995,2001\nB,1875,2014\n"))) == ["2015", "2016"]


def test_rows_are_put_in_order_of_time(tmp_path: Path) -> None:
    table = read(tmp_path, "Year,Sales\n2016,3\n2015*,2\n2014,1\n")
    assert (table.labels, values(table), table.ordered) == (("2014", "2015*", "2016"), {"Sales": [1, 2, 3]}, True)


def test_turning_a_table_puts_its_times_in_order_too(tmp_path: Path) -> None:
    table = turned(read(tmp_path, "Entity,2016,2014\nA,3,1\nB,4,2\n"))
    assert (table.labels, table.ordered) == (("2014", "2016"), True)
    assert values(table) == {"A": [1, 3], "B": [2, 4]}


def test_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    table = read(tmp_path, "Stadt;Wert, gesamt\nA;3,5\nB;1.234,25\nC;12\n")
    assert values(table) == {"Wert, gesamt": [3.5, 1234.25, 12]}


@pytest.mark.parametrize(
    "text",
    ['Land,Rate\nA,"0,125"\nB,"0,5"\nC,"1,250"\n', "Land\tRate\nA\t0,125\nB\t0,5\nC\t1,250\n"],
    ids=["comma, quoted", "tab"],
)
def test_decimal_commas_between_any_separators(tmp_path: Path, text: str) -> None:
    assert values(read(tmp_path, text)) == {"Rate": [0.125, 0.5, 1.25]}


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_file_of_thousands_has_no_decimal_commas(tmp_path: Path, separator: str) -> None:
    assert values(read(tmp_path, "Land;Sum\nA;1,234\nB;12,500\n".replace(";", separator))) == {"Sum": [1234, 12500]}


def test_two_decimal_marks_in_a_file_are_refused_by_cell(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 3, column 'Sum': '0,500' is not a number"):
        read(tmp_path, "Land;Sum\nA;1.5\nB;0,500\n")


def test_semicolons_with_thousands_by_comma(tmp_path: Path) -> None:
    assert values(read(tmp_path, "Stadt;Wert\nA;3,500\nB;12.5\n")) == {"Wert": [3500, 12.5]}


def test_tabs_byte_order_mark_and_blank_lines(tmp_path: Path) -> None:
    table = read(tmp_path, "\ufeffTown\tSales\r\n\r\nA, B\t3\r\nC\t4\r\n\r\n")
    assert (table.heading, table.labels, values(table)) == ("Town", ("A, B", "C"), {"Sales": [3, 4]})


BAD = {
    "": "is empty",
    "Town\nA\nB\n": "has one column; give labels and at least one column of numbers",
    "Town,Sales\nA,1\n": "has 1 rows below its headings; a chart needs at least two",
    "Town,Sales\nA,1\nB,2,3\n": "line 3: has 3 cells, but there are 2 headings; a cell with a comma in it needs quotes",
    "Town,Sales\nA,1\nB\n": "line 3: has 1 cells, but there are 2 headings",
    "Town,Sales,Sales\nA,1,2\nB,1,2\n": "columns 2 and 3 are both headed 'Sales'; rename one of them",
    "Town,Sales,\nA,1,2\nB,1,2\n": "column 3 has no heading",
    "Town,Sales\nA,1\nJob,Job\n": "line 3, column 'Sales': 'Job' is not a number; write one, or leave the cell empty",
    "Town,Sales\nA,1\nA,2\n": "lines 2 and 3 have the same label 'A'; rename one of them",
    "Town,Year,Sales\nA,2010,2\nA,2010,4\n": "lines 2 and 3 have the same label 'A', '2010'",
    "Town,Sales\nA,1\n,2\n": "line 3: has no label",
    "Town,Sales\nA,nan\nB,-\n": "holds no number",
    "Town,Sales\nA,5%\nB,$3\n": "line 3, column 'Sales': '$3' is in $, but cells above are in %",
    'Town,Sales\nA,"1\nB,2\n': "is not CSV",
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), BAD.items())
def test_a_bad_table_has_one_message(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, "things.csv", text)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_table(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "things.csv"
    path.write_bytes("Stadt,Größe\nA,1\nB,2\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"things\.csv: is not UTF-8 text \(byte 8\); save it as 'CSV UTF-8'"):
        read_table(path)
