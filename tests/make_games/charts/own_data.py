"""Tables of our own making that imitate real ones, and an oracle of what may stand on one axis.

    python -m tests.make_games.charts.own_data [OUT]      # counts; with OUT, two charts of each table as pictures

Each table says of every column of numbers what it measures. A chart's values are looked up in the table: they must all
be of one measure. Pies are allowed only for tables whose rows are parts of a whole.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from stages.core.errors import InputError
from stages.core.recipe import load
from stages.core.recipe.charts import ChartSettings
from stages.core.seeds import rng
from stages.make_games.charts import plan
from stages.make_games.charts.cutting import cut
from stages.make_games.charts.swap import ChartTable
from stages.make_games.charts.tables import read_table
from stages.make_games.pair import Made

TOWNS = [
    "Aldermoor",
    "Brackwater",
    "Coldwater",
    "Dale End",
    "Eastfield",
    "Foxlow",
    "Garth",
    "Harbour",
    "Ivybridge",
    "Judson",
]
DRAWS = 8  # of charts of each kind


@dataclass(frozen=True)
class Example:
    """A table: rows of texts, what each column of numbers measures, and whether a person would draw it, or a pie of it."""

    name: str
    rows: Sequence[Sequence[object]]
    measures: Mapping[str, str]
    pie: bool = False
    chartable: bool = True


def number(draw: Random, low: float, high: float, digits: int = 1) -> str:
    return f"{draw.uniform(low, high):.{digits}f}"


def countries(draw: Random) -> Example:
    head = ["Rank", "Country", "Code", "Population", "Area (km2)", "GDP per capita ($)", "Life expectancy (years)"]
    rows = [[n, town, town[:3].upper(), draw.randint(10**6, 10**7), draw.randint(2000, 9000), f"${draw.randint(9000, 60000):,}",
             number(draw, 60, 85)] for n, town in enumerate(TOWNS, 1)]  # fmt: skip
    return Example("countries", [head, *rows], dict(zip(head[3:], ("people", "area", "money", "years"), strict=True)))


def long_by_year(draw: Random) -> Example:
    head = ["Entity", "Code", "Year", "Birth rate (per 1,000 people)", "Poverty rate (% of population)"]
    rows = [
        [town, town[:3].upper(), year, number(draw, 8, 14, 2), number(draw, 21, 45, 2)]
        for town in TOWNS
        for year in range(2001, 2013)
    ]
    return Example("long", [head, *rows], {head[3]: "per 1,000", head[4]: "%"})


def years_across(draw: Random) -> Example:
    head = ["Region", *map(str, range(1990, 2021, 5))]
    rows = [[town, *(draw.randint(200, 900) for _ in head[1:])] for town in TOWNS]
    return Example("years-across", [head, *rows], dict.fromkeys(head[1:], "one"))


def weather(draw: Random) -> Example:
    head = ["date", "temp_max", "temp_min", "precipitation", "wind speed (km/h)", "weather"]
    rows = [[f"2021-{1 + n // 28:02}-{1 + n % 28:02}", number(draw, 15, 30, 2), number(draw, 5, 14, 2), number(draw, 31, 60, 2),
             number(draw, 61, 90, 2), draw.choice(["sun", "rain"])] for n in range(60)]  # fmt: skip
    return Example("weather", [head, *rows], dict(zip(head[1:5], ("degrees", "degrees", "rain", "speed"), strict=True)))


def poll(draw: Random) -> Example:
    shares = [34, 27, 18, 13, 8]
    draw.shuffle(shares)
    rows = [
        [answer, f"{share}%"]
        for answer, share in zip(["Very good", "Good", "Fair", "Poor", "No answer"], shares, strict=True)
    ]
    return Example("poll", [["Answer", "Share of answers"], *rows], {"Share of answers": "%"}, pie=True)


def spending(draw: Random) -> Example:
    amounts = [draw.randint(150, 400) for _ in range(5)]
    rows = [
        [item, f"{amount:,}"]
        for item, amount in zip(["Schools", "Roads", "Parks", "Fire brigade", "Culture"], amounts, strict=True)
    ]
    return Example(
        "spending", [["Item", "Spending"], *rows, ["Total", f"{sum(amounts):,}"]], {"Spending": "money"}, pie=True
    )


def players(draw: Random) -> Example:
    head = ["Name", "Team", "Position", "Age", "Minutes played", "Salary", "Weight (kg)"]
    rows = [[f"Player {town}", draw.choice("ABC"), draw.choice(["goal", "wing"]), draw.randint(18, 35), draw.randint(900, 3000),
             f"€{draw.randint(40000, 90000):,}", number(draw, 60, 95)] for town in TOWNS]  # fmt: skip
    return Example("players", [head, *rows], dict(zip(head[3:], ("age", "minutes", "money", "kg"), strict=True)))


def cities(draw: Random) -> Example:
    head = ["city_id", "City", "lat", "lon", "Founded", "Population", "Green space (%)"]
    rows = [[101 + n, town, number(draw, 40, 50, 4), number(draw, 1, 9, 4), draw.randint(1100, 1900), draw.randint(50_000, 300_000),
             number(draw, 10, 45)] for n, town in enumerate(TOWNS)]  # fmt: skip
    return Example("cities", [head, *rows], {"Population": "people", "Green space (%)": "%"})


def products(draw: Random) -> Example:
    head = ["Product", "Category", "Price", "Units sold", "Rating"]
    rows = [[f"Lamp {town}", draw.choice(["desk", "floor"]), f"${number(draw, 20, 90, 2)}", draw.randint(300, 900), number(draw, 2, 5)]
            for town in TOWNS]  # fmt: skip
    return Example("products", [head, *rows], dict(zip(head[2:], ("money", "pieces", "stars"), strict=True)))


def survey(draw: Random) -> Example:
    head = ["respondent", "Region", "Answer", "Income"]
    rows = [
        [n, draw.choice(["North", "South", "East"]), draw.choice(["yes", "no", "unsure"]), draw.randint(20000, 70000)]
        for n in range(1, 91)
    ]
    return Example("survey", [head, *rows], {}, pie=True)


def election(draw: Random) -> Example:
    head = ["Party", "Votes", "Seats"]
    rows = [[f"{town} list", draw.randint(20_000, 60_000), draw.randint(10, 40)] for town in TOWNS[:5]]
    return Example("election", [head, *rows], {"Votes": "votes", "Seats": "seats"}, pie=True)


def electricity(draw: Random) -> Example:
    head = ["Country", "Source", "Year", "Generation (TWh)"]
    rows = [
        [town, source, year, number(draw, 20, 90)]
        for town in TOWNS[:4]
        for source in ("Wind", "Gas", "Other")
        for year in range(2010, 2018)
    ]
    return Example("electricity", [head, *rows], {"Generation (TWh)": "TWh"}, pie=True)


def accounts(draw: Random) -> Example:
    head = ["Quarter", "Revenue", "Profit", "Employees"]
    rows = [[f"Q{1 + n % 4} {2018 + n // 4}", f"{draw.randint(500, 900)}k", f"({draw.randint(300, 499)}k)" if n % 3 else f"{draw.randint(300, 499)}k",
             draw.randint(20, 60)] for n in range(12)]  # fmt: skip
    return Example("accounts", [head, *rows], {"Revenue": "money", "Profit": "money", "Employees": "people"})


def schools(draw: Random) -> Example:
    head = ["School", "Pupils", "Pupils per teacher", "Share of girls", "Average grade"]
    rows = [
        [town, draw.randint(300, 900), number(draw, 12, 25), f"{draw.randint(40, 60)}%", number(draw, 1, 5, 2)]
        for town in TOWNS
    ]
    return Example("schools", [head, *rows], dict(zip(head[1:], ("pupils", "ratio", "%", "grade"), strict=True)))


def phones(draw: Random) -> Example:
    head = ["Model", "Weight (g)", "Height (mm)", "Width (mm)", "Battery life (hours)", "Price"]
    rows = [[f"Model {n}", draw.randint(150, 210), draw.randint(211, 260), draw.randint(62, 80), draw.randint(20, 40), f"£{draw.randint(300, 900)}"]
            for n in range(8)]  # fmt: skip
    return Example("phones", [head, *rows], dict(zip(head[1:], ("g", "mm", "mm", "hours", "money"), strict=True)))


def shares_by_year(draw: Random) -> Example:
    rows = []
    for year in range(2008, 2020):
        coal, gas = draw.randint(20, 45), draw.randint(15, 30)
        rows.append([year, f"{coal}%", f"{gas}%", f"{100 - coal - gas}%"])
    return Example(
        "shares", [["Year", "Coal", "Gas", "Wind"], *rows], dict.fromkeys(("Coal", "Gas", "Wind"), "%"), pie=True
    )


def contacts(draw: Random) -> Example:
    rows = [[town, f"{town.casefold()}@example.org", f"0{draw.randint(10**8, 10**9)}"] for town in TOWNS]
    return Example("contacts", [["Name", "Mail", "Phone"], *rows], {}, chartable=False)


EXAMPLES: Sequence[Callable[[Random], Example]] = (
    countries, long_by_year, years_across, weather, poll, spending, players, cities, products, survey, election, electricity,
    accounts, schools, phones, shares_by_year, contacts,
)  # fmt: skip


def plain(rows: Sequence[Sequence[object]]) -> str:
    return written(rows, ",")


def european(rows: Sequence[Sequence[object]]) -> str:
    """Semicolons and decimal commas, as spreadsheets write them with a European locale."""
    swap = str.maketrans(",.", ".,")
    return "sep=;\n" + written([rows[0], *([str(cell).translate(swap) for cell in row] for row in rows[1:])], ";")


def published(rows: Sequence[Sequence[object]]) -> str:
    """With a title, footnotes, missing values and a source, tabs between cells."""
    marked = [[f"{row[0]}*" if n == 1 else row[0], *row[1:]] for n, row in enumerate(rows)]
    return f"Figures of the county\n\n{written(marked, chr(9))}* estimated\nSource: the county\n"


def spreadsheet(rows: Sequence[Sequence[object]]) -> str:
    """Windows line ends, a byte order mark, blank lines."""
    return "\ufeff" + written(rows, ",").replace("\n", "\r\n") + "\r\n\r\n"


FORMS: Sequence[Callable[[Sequence[Sequence[object]]], str]] = (plain, european, published, spreadsheet)


def written(rows: Sequence[Sequence[object]], separator: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows(rows)
    return out.getvalue()


def value_of(cell: object) -> float | None:
    """What a cell of ours says, by simpler means than the code under test."""
    text = str(cell).replace(",", "").strip("$€£%")
    sign = -1 if text.startswith("(") else 1
    text = text.strip("()")
    scale = 1000 if text.endswith("k") else 1
    try:
        return sign * scale * float(text.rstrip("k"))
    except ValueError:
        return None


def measures_of(example: Example) -> dict[float, set[str]]:
    """What each number of the table may measure."""
    found: dict[float, set[str]] = {}
    for column, name in enumerate(example.rows[0]):
        for row in example.rows[1:]:
            value = value_of(row[column])
            if value is not None and str(name) in example.measures:
                found.setdefault(round(value, 6), set()).add(example.measures[str(name)])
    return found


def one_measure(chart: ChartTable, known: Mapping[float, set[str]], kind: str) -> bool:
    """Whether all values on an axis measure the same; values that were put together belong to no cell, so to none."""
    axes = [[series] for series in chart.series] if kind == "scatter" else [chart.series]
    for axis in axes:
        sets = [known[round(v, 6)] for series in axis for v in series.values if v is not None and round(v, 6) in known]
        if sets and not set.intersection(*sets):
            return False
    return True


def examples(seed: int) -> Iterator[tuple[str, str, Example]]:
    """Name, text and oracle of each table in each form."""
    for make in EXAMPLES:
        for form in FORMS:
            example = make(Random(f"{seed} {make.__name__} {form.__name__}"))
            yield f"{example.name}-{form.__name__}", form(example.rows), example


@dataclass
class Count:
    tables: int = 0
    chartable: int = 0
    charted: int = 0
    charts: int = 0
    wrong_units: int = 0
    wrong_pies: int = 0
    drawn: int = 0


def judge(folder: Path, seed: int = 0, pictures: Path | None = None) -> tuple[Count, list[str]]:
    """Counts over all tables, and what was wrong or refused."""
    count, said = Count(), []
    for name, text, example in examples(seed):
        path = folder / f"{name}.csv"
        path.write_bytes(text.encode())
        count.tables += 1
        count.chartable += example.chartable
        try:
            table = read_table(path, ChartSettings())
        except InputError as error:
            said.append(str(error))
            continue
        known, any_chart = measures_of(example), False
        for kind in ChartSettings().kinds:
            for draw in range(DRAWS):
                chart = cut(table, kind, rng(name, kind, draw))
                if chart is None:
                    continue
                any_chart, count.charts = True, count.charts + 1
                if not one_measure(chart, known, kind):
                    count.wrong_units += 1
                    said.append(f"{name}: {kind} of {[series.name for series in chart.series]}")
                if kind == "pie" and not example.pie:
                    count.wrong_pies += 1
                    said.append(f"{name}: pie of {chart.labels}")
        count.charted += any_chart and example.chartable
        if pictures is not None:
            count.drawn += save(path, pictures)
    return count, said


def save(path: Path, folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    pairs = plan(load("tiny", ["games.pairs=2", "games.width=480", "games.height=320"]), path).pairs
    made = [(pair, result) for pair in pairs if isinstance(result := pair.make(), Made)]
    for pair, result in made:
        (folder / f"{pair.pair_id}.png").write_bytes(result.original)
    return len(made)


if __name__ == "__main__":
    with TemporaryDirectory() as place:
        counts, messages = judge(Path(place), pictures=Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    print(counts, *messages, sep="\n")
