"""What the titles of charts say."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="extra 'charts' is not installed")

from stages.make_games.charts import plan
from stages.make_games.charts.chart_pair import ChartPair
from stages.make_games.pair import Made
from tests.make_games.charts.plain import recipe, write

SALES = "Town,Sales\nA,30\nB,80\nC,10\nD,55\nE,100\n"


def titles(path: Path, kind: str, count: int = 1) -> set[str]:
    """Those of `count` pairs."""
    found = set()
    for pair in plan(recipe(f"games.pairs={count}", f"games.charts.kinds=[{kind}]"), path).pairs:
        assert isinstance(pair, ChartPair)
        result = pair.make()
        assert isinstance(result, Made) and result.scene is not None
        found.add(result.scene["title"])
    return found


def test_a_title_is_not_made_of_years(tmp_path: Path) -> None:
    path = write(tmp_path, "17.csv", "Entity,2004,2006,2008,2010\nKent,5,8,6,9\nEssex,7,4,9,6\n")
    assert titles(path, "grouped", 6) <= {"Kent and Essex", ""}


def test_a_long_title_is_shortened_but_keeps_what_holds_for_the_chart(tmp_path: Path) -> None:
    rows = "".join(f"Spain,{year},{20 + year % 9},{31 + year % 7}\n" for year in range(1990, 2010))
    name = "Male and female life expectancy by age in the long run (Human Mortality Database (2018) and others).csv"
    path = write(tmp_path, name, f"Entity,Year,Men,Women\n{rows}")
    assert titles(path, "line", 6) == {f"{name.partition(' (')[0]}, Spain", "Men, Spain", "Women, Spain"}
    path = write(
        tmp_path, f"{'Schools of towns and villages ' * 3}(first of many editions.csv", SALES.replace("Sales", "Value")
    )
    assert titles(path, "bar") == {" ".join(["Schools of towns and villages"] * 3)}


def test_a_pie_says_what_its_slices_are(tmp_path: Path) -> None:
    for heading, title in (
        ("Cause", "Accidents: deaths by cause"),
        ("Place Of Work", "Accidents: deaths by Place Of Work"),
        ("Why did you come to our town?", "Why did you come to our town?"),
    ):
        path = write(
            tmp_path / heading[:3], "accidents.csv", f"{heading},Deaths\nFalls,31\nFire,22\nTraffic,40\nOther,12\n"
        )
        assert titles(path, "pie") == {title}


def test_a_title_repeats_no_long_legend(tmp_path: Path) -> None:
    heads = [f"Children of {age} who say so of their teachers and schools" for age in ("eight", "fifteen")]
    path = write(
        tmp_path, "17.csv", ",".join(["Entity", *heads]) + "\nPeru,31,24\nIndia,45,40\nGhana,82,61\nChad,57,39\n"
    )
    assert titles(path, "grouped") == {""}


@pytest.mark.parametrize(
    ("name", "title"),
    [("Sales in towns - Smith et al. (2017)", "Sales in towns – Smith et al. (2017)"),
     ("sales-in_towns.v2 - 20150612", "Sales in towns v2"), ("sales in the US", "Sales in the US")],
)  # fmt: skip
def test_a_file_name_becomes_words(tmp_path: Path, name: str, title: str) -> None:
    assert titles(write(tmp_path, f"{name}.csv", SALES), "bar") == {title}


@pytest.mark.parametrize(
    ("name", "title"),
    [("Spending (OECD Statistics)", "Spending (OECD Statistics), OECD"), ("Spending of the OECD", "Spending of the OECD"),
     ("Spending (OECD)", "Spending (OECD)")],
)  # fmt: skip
def test_a_source_in_brackets_does_not_say_whose_figures_they_are(tmp_path: Path, name: str, title: str) -> None:
    rows = "".join(f"OECD,{year},{20 + 7 * year % 19}\n" for year in range(2001, 2008))
    assert titles(write(tmp_path, f"{name}.csv", f"Entity,Year,Value\n{rows}"), "bar") == {title}
