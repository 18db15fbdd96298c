"""What is made of tables: which columns are what, and what may stand on one axis."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.core.recipe.charts import ChartSettings
from stages.make_games.charts.tables import COLUMN, read_table
from tests.make_games.charts.plain import charts, read

WEATHER = "date,mean_temp,min_temp,max_temp,record_min_temp_year,rain\n" + "".join(
    f"2014-7-{day},{60 + day % 5},{50 + day % 4},{70 + day % 7},{1880 + day},{day / 100}\n" for day in range(1, 30)
)
LONG = "Entity,Code,Year,Poverty rate,Children per woman\n" + "".join(
    f"{name},{name[:3].upper()},{year},{10 + number + year % 7},{2 + number / 10:.2f}\n"
    for number, name in enumerate(["Albania", "Belgium", "Cyprus", "Denmark", "Egypt"])
    for year in range(2000, 2010)
)


def names(*cubes: object) -> list[str]:
    return [cube.measure or "+".join(sorted(set(cube.frame[COLUMN]))) for cube in cubes if cube.pair is None]  # type: ignore[attr-defined]


def test_only_columns_of_one_unit_share_an_axis(tmp_path: Path) -> None:
    assert names(*read(tmp_path, WEATHER).cubes) == ["Max temp+Mean temp+Min temp", "Rain"]


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ("Minutes", "Hours", False), ("Height (cm)", "Height (m)", False), ("Birth rate", "Poverty rate", True),
        ("Birth rate", "Unemployment rates", False), ("Price", "Cost", True), ("Score", "Index", False),
        ("Sales 2001", "Sales 2002", True), ("Apples", "Pears", True), ("Number of doctors", "Number of beds", False),
        ("Horsepower", "Calories", False), ("Share in favour", "Share against", True), ("Goals", "Age", False), ("人口", "面积", False),
        ("收入 2001", "收入 2002", True),
    ],
)  # fmt: skip
def test_what_headings_say_of_units(tmp_path: Path, one: str, other: str, share: bool) -> None:
    table = read(tmp_path, f"Town,{one},{other}\nA,31,42\nB,35,49\nC,33,45\n")
    assert (len(names(*table.cubes)) == 1) is share


def test_the_highest_and_the_lowest_do_not_change_places(tmp_path: Path) -> None:
    drawn = charts(read(tmp_path, WEATHER), "bar", "grouped", "line")
    several = [chart for chart in drawn if len(chart.series) > 1]
    assert several and all(chart.bounded for chart in several)
    assert all(
        chart.places for chart in drawn if chart.series[0].name == ""
    )  # no bars of the highest beside the lowest


def test_years_ranks_ids_places_and_flags_are_no_values(tmp_path: Path) -> None:
    text = "Rank,Town,town_id,lat,Founded in year,Capital,Population\n"
    rows = [("Ulm", 1181, 126), ("Bern", 1191, 134), ("Graz", 1128, 291), ("Lyon", 1043, 522), ("Brno", 1243, 380)]
    text += "".join(f"{n},{t},{900 + n},{40 + n}.5,{y},{n % 2},{p}\n" for n, (t, y, p) in enumerate(rows, 1))
    assert names(*read(tmp_path, text).cubes) == ["Population"]


def test_populations_do_not_stand_beside_hurricanes(tmp_path: Path) -> None:
    text = "state,id,population,engineers,hurricanes\nA,1,4863300,0.0034,22\nB,2,741894,0.0015,4\nC,3,69310,0.0042,9\n"
    for chart in charts(read(tmp_path, text)):
        if chart.series[0].name != chart.series[-1].name:
            assert chart.measure and len(chart.series) == 2  # a scatter of two measures
        else:
            assert len(chart.series) == 1


def test_long_tables_become_charts_by_entity_and_year(tmp_path: Path) -> None:
    table = read(tmp_path, LONG)
    assert names(*table.cubes) == ["Poverty rate", "Children per woman"]
    lines = charts(table, "line")
    assert any(len(chart.series) > 1 for chart in lines)
    assert all(chart.labels[0].startswith("20") and chart.places for chart in lines)
    bars = [chart for chart in charts(table, "bar") if not chart.places]
    assert bars and all(chart.title in {str(year) for year in range(2000, 2010)} for chart in bars)


def test_a_year_that_holds_for_all_rows_is_said_in_the_title(tmp_path: Path) -> None:
    table = read(tmp_path, "Entity,Year,Deaths\nA,2010,35\nB,2010,80\nC,2010,50\n")
    assert {chart.title for chart in charts(table, "bar")} == {"2010"}


def test_headings_that_are_years_become_an_axis_of_time(tmp_path: Path) -> None:
    table = read(tmp_path, "Region,1990,2000,2020\nNorth,5,8,9\nSouth,7,4,6\n")
    assert charts(table, "line")[0].places == (1990, 2000, 2020)


def test_repeated_labels_are_put_together_only_where_that_is_right(tmp_path: Path) -> None:
    rows = "".join(
        f"{day},{smoker},{10 + n},{n % 9}.5\n"
        for n in range(30)
        for day, smoker in [(["Sat", "Sun", "Fri"][n % 3], ["yes", "no"][n % 2])]
    )
    table = read(tmp_path, f"day,smoker,age,sales\n{rows}")
    assert {cube.measure for cube in table.cubes} == {"Number of entries", "Average age", "Total sales"}
    with pytest.raises(InputError, match="rows have the same labels"):
        read(tmp_path, f"day,smoker,age,sales\n{rows}", aggregate="none")
    named = "name,score\n" + "".join(f"P{n // 2},{n}.5\n" for n in range(60))
    with pytest.raises(InputError, match="labels repeat, or rows are events, and no column"):
        read(tmp_path, named)


def test_a_few_repeated_labels_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = "".join(f"Town {n},{n + 5}\n" for n in range(20))
    table = read(tmp_path, f"Town,Sales\n{rows}Town 3,99\nTown 4*,98\n")
    assert table.cubes[0].left_out == 2
    assert not {label for chart in charts(table) for label in chart.labels} & {"Town 3"}


def test_rows_count_wherever_the_columns_of_the_chart_have_cells(tmp_path: Path) -> None:
    rows = [
        ("Live", "yes", 60),
        ("Live*", "no", 40),
        ("IVR", "", 8),
        ("IVR", "yes", 9),
        ("IVR", "no", 7),
        ("", "no", 5),
    ]
    text = "Pollster,Method,Phones,Age\n" + "".join(f"P{n % 3},{m},{p},{a + n // 6}.5\n" for n, (m, p, a) in enumerate(rows * 3))  # fmt: skip
    cubes = {(c.measure, *(d.column for d in c.dimensions)): c for c in read(tmp_path, text).cubes}
    mean, count = cubes["Average age", "Method"], cubes["Number of entries", "Phones"]
    assert dict(mean.frame.iter_rows()) == {"Live": 61.5, "Live*": 41.5, "IVR": 9.5}
    assert (dict(count.frame.iter_rows()), count.left_out, mean.left_out) == ({"yes": 6, "no": 9}, 3, 3)
    lines = charts(read(tmp_path, "Place,Year,Flag,Rate\n" + "".join(f"{p},{y},{'P' * (y % 4 == 0)},{y % 7}\n" for p in ("AUT", "OECD") for y in range(2000, 2012))), "line")  # fmt: skip
    assert {chart.title or len(chart.series) for chart in lines} == {"AUT", "OECD", 2}


def test_one_row_is_enough_to_be_counted_but_not_for_a_mean(tmp_path: Path) -> None:
    grades = ["B", "A-", "F", "C-", "A+", "B", "B", "F", "F", "A-"] * 2
    grades[3:4] = []
    text = "grade,score\n" + "".join(f"{grade},{n}.5\n" for n, grade in enumerate(grades))
    counts, *_ = (chart for chart in charts(read(tmp_path, text), "bar") if chart.measure == "Number of entries")
    assert (counts.labels, counts.series[0].values) == (("A+", "A-", "B", "C-", "F"), (2, 4, 6, 1, 6))
    means = [chart for chart in charts(read(tmp_path, text), "bar") if chart.measure == "Average score"]
    assert means[0].labels == ("A-", "B", "F")


def test_numbers_of_persons_and_of_terms_are_neither_measured_nor_per_cent(tmp_path: Path) -> None:
    rows = "".join(f"N{n},{n % 20 + 1},{440 + n % 9},{n % 22 + 1},{n}.5\n" for n in range(60))
    table = read(tmp_path, f"name,subject,nature,terms_pct,share\n{rows}")
    assert {cube.measure: cube.unit.after for cube in table.cubes if cube.pair is None} == {
        "Terms pct": "",
        "Share": "%",
    }


def test_days_without_events_are_no_points_of_a_line(tmp_path: Path) -> None:
    days = [1, 2, 3, 7, 8, 12]
    text = "day,kind\n" + "".join(f"2018-02-{day:02},{'ab'[n % 2]}\n" for day in days for n in range(day % 5 + 2))
    assert charts(read(tmp_path, text), "bar") and not charts(read(tmp_path, text), "line", "area")
    hours = "time,count\n" + "".join(f"2015-01-01 {hour:02}:00:00,{hour % 5 + 1}\n" for hour in (0, 1, 2, 9, 11, 12))
    assert charts(read(tmp_path, hours), "bar") and not charts(read(tmp_path, hours), "line", "area")


def test_midnight_is_named_where_other_times_of_day_are(tmp_path: Path) -> None:
    for times in (["01:00", "00:00"], ["00:00", "00:00"]):
        text = "time,count\n" + "".join(f"2015/01/{day:02} {times[day % 2]}:00,{day}\n" for day in range(1, 7))
        wanted = {f"2015/01/{day:02}" + (f" {times[day % 2]}" if "01:00" in times else "") for day in range(1, 7)}
        assert {label for chart in charts(read(tmp_path, text), "bar") for label in chart.labels} == wanted


def test_footnoted_years_are_years(tmp_path: Path) -> None:
    table = read(tmp_path, "Year,Wind\n2010,5\n2011*,9\n2013 [1],7\n2014¹,4\n")
    assert charts(table, "line")[0].labels == ("2010", "2011", "2013", "2014")


def test_totals_are_no_bars_and_show_that_the_others_are_parts(tmp_path: Path) -> None:
    table = read(tmp_path, "Fuel,Cost\nGas,50\nCoal,30\nWind,20\nTotal,100\n")
    assert table.cubes[0].dimensions[0].whole
    pies = charts(table, "pie")
    assert pies and all(set(pie.labels) == {"Gas", "Coal", "Wind"} for pie in pies)


@pytest.mark.parametrize(
    ("text", "pie"),
    [
        ("Answer,Share\nYes,61%\nNo,30%\nUnsure,9%\n", True),
        ("Party,Votes\nRed,610\nBlue,300\nGreen,90\n", True),
        ("Cause,Late trains\nSnow,610\nLeaves,300\nOther,90\n", True),
        ("Town,Unemployment\nA,6.1%\nB,5.0%\nC,4.2%\n", False),
        ("Town,Price\nA,61\nB,30\nC,9\n", False),
        ("Year,Votes\n2001,610\n2002,300\n2003,90\n", False),
        ("Town,Score\nA,61\nB,30\nC,9\n", False),
        ("Fuel,Change\nGas,-5\nCoal,30\nOther,75\n", False),
    ],
)
def test_pies_are_of_parts_of_a_whole(tmp_path: Path, text: str, pie: bool) -> None:
    assert bool(charts(read(tmp_path, text), "pie")) is pie


def test_stacks_are_of_parts_of_a_whole(tmp_path: Path) -> None:
    shares = "Year,Gas,Coal,Wind\n2001,50%,30%,20%\n2002,45%,30%,25%\n2003,40%,20%,40%\n"
    assert charts(read(tmp_path, shares), "stacked", "area")
    assert not charts(read(tmp_path, shares.replace("40%\n", "45%\n")), "stacked", "area")
    assert not charts(read(tmp_path, WEATHER), "stacked", "area")
    counts = "Town,{},{}\nA,610,70\nB,500,90\nC,420,60\n"
    assert charts(read(tmp_path, counts.format("Local visitors", "Foreign visitors")), "stacked")
    for heads in (("Local visitors", "All visitors"), ("Polio cases", "Polio deaths")):
        assert all("A" not in chart.labels for chart in charts(read(tmp_path, counts.format(*heads)), "stacked"))
    hardly = counts.replace("70", "7").replace("90", "9").replace("60", "6")  # too thin to be seen
    thin = charts(read(tmp_path, hardly.format("Local visitors", "Foreign visitors")), "stacked")
    assert all("A" not in chart.labels for chart in thin)


def test_statistics_and_changes_share_no_axis_with_counts(tmp_path: Path) -> None:
    text = "Town,2014 murders,2015 murders,Change\nA,31,36,5\nB,40,52,12\nC,61,79,18\n"
    assert names(*read(tmp_path, text).cubes)[0] == "2014 murders+2015 murders"
    text = "Course,Grad employed,Grad median,Grad P75\nA,31000,36000,50000\nB,40000,52000,60000\nC,61000,39000,50000\n"
    assert names(*read(tmp_path, text).cubes)[:2] == ["Grad employed", "Grad P75+Grad median"]


def test_the_number_of_a_group_is_not_averaged(tmp_path: Path) -> None:
    rows = "".join(f"{40 + n % 4},President {'ABCD'[n % 4]},{n * 7 % 11}.5\n" for n in range(40))
    assert set(names(*read(tmp_path, f"president,name,length\n{rows}").cubes)) == {
        "Number of entries",
        "Average length",
    }


def test_days_of_all_months_are_not_put_together_and_bounds_not_drawn_alone(tmp_path: Path) -> None:
    rows = "".join(f"{1 + n // 28},{1 + n % 28},{10 + n * 7 % 23}.5\n" for n in range(112))
    table = read(tmp_path, f"month,day,ice\n{rows}")
    assert all({d.column for d in cube.dimensions} != {"day"} for cube in table.cubes)
    assert names(*read(tmp_path, "Answer,estimate,lo,hi\nYes,41,38,44\nNo,50,47,53\nWill see,9,7,11\n").cubes) == [
        "Estimate"
    ]


def test_bare_labels_carry_their_question_and_totals_are_no_groups(tmp_path: Path) -> None:
    rows = "".join(f"{'yes' if n % 3 else 'no'},{['Live', 'All', 'Mail'][n % 5 % 3]},{n * 7 % 23}\n" for n in range(60))
    drawn = charts(read(tmp_path, f"Tsunami yes/no,mode,depth\n{rows}"), "bar")
    assert {"Tsunami yes", "Tsunami no"} in [set(chart.labels) for chart in drawn]
    assert not any("All" in chart.labels for chart in drawn)
    answers = "".join(f"{['North', 'South'][n % 2]},{['yes', 'no', 'unsure'][n * n % 7 % 3]}\n" for n in range(60))
    drawn = charts(read(tmp_path, f"Region,Answer\n{answers}"), "grouped")
    legends = {frozenset(series.name for series in chart.series) for chart in drawn}
    assert frozenset({"Answer yes", "Answer no", "Answer unsure"}) in legends
    assert all(each.isdisjoint({"yes", "no", "unsure"}) for each in legends)


def test_sorted_bars_are_put_by_the_alphabet(tmp_path: Path) -> None:
    table = read(tmp_path, "Town,Sales\nYork,90\nBath,70\nWells,60\nLeeds,40\n")
    assert charts(table, "bar")[0].labels == ("Bath", "Leeds", "Wells", "York")


def test_codes_are_no_labels(tmp_path: Path) -> None:
    rows = "".join(f"LAUCN01{n:03}0000000003,County {chr(65 + n)},{30 + n * n % 17}\n" for n in range(9))
    assert all(chart.labels[0].startswith("County") for chart in charts(read(tmp_path, f"Area,Name,Sales\n{rows}")))
    with pytest.raises(InputError, match="no column names the rows"):
        read(tmp_path, "Area,Sales\n" + "".join(f"LAUCN01{n:03}0000000003,{30 + n * n % 17}\n" for n in range(9)))


@pytest.mark.parametrize(
    ("settings", "measures"),
    [
        ({"values": ["b"]}, ["B"]),
        ({"values": ["a", "b"], "unit": "km"}, ["A+B"]),
        ({"label": "kind", "values": ["a"], "aggregate": "sum"}, ["Total a"]),
        ({"label": "kind", "aggregate": "count"}, ["Number of entries"]),
        ({"label": "name", "time": "when", "values": ["a"]}, ["A"]),
    ],
)
def test_the_user_can_decide(tmp_path: Path, settings: dict[str, object], measures: list[str]) -> None:
    text = "name,kind,when,a,b\n" + "".join(f"n{n},k{n % 3},200{n},{n * 10 + 1},{n}.5\n" for n in range(9))
    assert names(*read(tmp_path, text, **settings).cubes) == measures


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"label": "nme"}, "has no column 'nme'; its columns are name, a"),
        ({"time": "name"}, "column 'name' does not hold times in one format"),
        ({"values": ["name"]}, "column 'name' does not hold numbers in one unit"),
    ],
)
def test_a_wrong_decision_is_named(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, "name,a\nx,10\ny,25\nz,31\n", **settings)


def test_decimal_commas_in_every_kind_of_file(tmp_path: Path) -> None:
    for text in (
        'Land,Quote\nA,"0,123"\nB,"0,456"\n',
        "Land;Quote\nA;0,123\nB;0,456\n",
        "Land\tQuote\nA\t0,123\nB\t0,456\n",
    ):
        assert charts(read(tmp_path, text), "bar")[0].series[0].values == (0.123, 0.456)
    ambiguous = "Land;Quote\nA;1,234\nB;5,678\n"
    assert charts(read(tmp_path, ambiguous), "bar")[0].series[0].values == (1.234, 5.678)
    assert charts(read(tmp_path, ambiguous, decimal="point"), "bar")[0].series[0].values == (1234, 5678)


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        ("sep=|\nTown|Größe\nUlm|5\nBrno|9\n".encode(), {}),
        ("\ufeffTown,Größe\nUlm,5\nBrno,9\n".encode(), {}),
        ("Town,Größe\nUlm,5\nBrno,9\n".encode("utf-16"), {}),
        ("Town,Größe\nUlm,5\nBrno,9\n".encode("cp1252"), {"encoding": "cp1252"}),
        ("Sizes of towns\n\nTown,Größe\nUlm,5\nBrno,9\nPisa,7\nSource: the towns\n".encode(), {}),
        ("Town#Größe\nUlm#5\nBrno#9\n".encode(), {"separator": "#"}),
    ],
)
def test_files_as_programs_write_them(tmp_path: Path, data: bytes, settings: dict[str, object]) -> None:
    (tmp_path / "towns.csv").write_bytes(data)
    table = read_table(tmp_path / "towns.csv", ChartSettings(**settings))
    assert table.cubes[0].measure == "Größe"
    assert table.cubes[0].frame["Town"].to_list()[:2] == ["Ulm", "Brno"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"), ("Town\nA\nB\n", "has only one column"), ("Town,Sales\nA,5\n", "has 1 rows below the headings"),
        ("size,weight\n1.5,2.5\n4.5,5.5\n3.5,9.5\n", "no column names the rows"),
        ("A,5\nB,6\nC,9\n", "its first line looks like data"), ("Town,Name\nA,x\nB,y\nC,z\n", "has no column of numbers"),
        ("Town,Sales\nA,5\nB,6,7\nC,8\n", "row 2 below the headings has 3 cells, but the table has 2 columns"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_drawn_say_why(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.csv: cannot be read"):
        read_table(tmp_path / "gone.csv", ChartSettings())


def event_rows(times: Iterable[str], *columns: str) -> str:
    places = ["North", "South", "East"]
    return ",".join(("when", "place", *columns)) + "\n" + "".join(
        f"{time},{places[n % 3]}" + "".join(f",{10 + (7 * n + k) % 43}" for k in range(len(columns))) + "\n"
        for n, time in enumerate(times)
    )  # fmt: skip


def test_rows_that_are_events_are_counted_and_put_together_not_drawn_along_their_times(tmp_path: Path) -> None:
    odd = [f"2021-03-{1 + n // 5:02} {9 + n % 5}:{(n * n * 7) % 60:02}:{n:02}" for n in range(60)]
    table = read(tmp_path, event_rows(odd, "speed"))
    assert {cube.measure for cube in table.cubes} == {"Number of entries", "Average speed"}
    receipts = "date,time,price,tax\n" + "".join(f"2021-{1 + n % 9:02}-{1 + n % 28:02},{9 + n % 11}:{10 * (n % 6):02},{10 + n % 43},{1 + n % 7}\n" for n in range(300))  # fmt: skip
    with pytest.raises(InputError, match="rows are events, and no column sorts them into a few groups"):
        read(tmp_path, receipts)
    workdays = [f"2021-03-{day:02}" for day in range(1, 29) if day % 7 not in (5, 6)]
    assert charts(read(tmp_path, event_rows(workdays, "speed")), "line")


def test_columns_chosen_from_more_of_their_sort_are_no_whole(tmp_path: Path) -> None:
    heads = ["health services", "other services", *(f"trade {letter}" for letter in "abcdefghijkl")]
    text = ",".join(["month", *heads]) + "\n" + "".join(
        f"2020-{month:02}," + ",".join(str(30 + (month * 7 + n) % 50) for n in range(len(heads))) + "\n" for month in range(1, 13)
    )  # fmt: skip
    assert charts(read(tmp_path, text), "grouped")
    assert not charts(read(tmp_path, text), "pie", "stacked", "area")
    votes = "Town,2015 votes,2019 votes\nA,1500,2100\nB,2000,2600\nC,1200,1400\n"
    assert charts(read(tmp_path, votes), "grouped")
    assert not any("2015 votes" in {s.name for s in chart.series} for chart in charts(read(tmp_path, votes), "stacked"))


def test_names_within_names_are_no_rows_of_their_own(tmp_path: Path) -> None:
    states = ["Ohio", "Iowa", "Utah"]
    rows = [(f"Town {n}", states[n % 3]) for n in range(20)] + [("Springfield", state) for state in states]
    text = "City,State,Year,Visitors\n" + "".join(
        f"{city},{state},{year},{100 + 13 * n + year % 5 * 9}\n" for n, (city, state) in enumerate(rows) for year in (2014, 2015, 2016)
    )  # fmt: skip
    assert not any("Springfield" in chart.title for chart in charts(read(tmp_path, text)))


def test_headings_in_two_rows_are_joined_and_are_no_title(tmp_path: Path) -> None:
    table = read(
        tmp_path, ",,Red,,Blue,\nTeam,Fans,Old,Young,Old,Young\nA,60,10,25,14,18\nB,48,20,8,11,9\nC,80,15,17,30,18\n"
    )
    assert table.title == ""
    assert {"Red Old", "Red Young", "Blue Old", "Blue Young"} <= {s.name for c in charts(table) for s in c.series}


def test_one_row_of_years_makes_a_line(tmp_path: Path) -> None:
    table = read(tmp_path, "Entity,2005,2006,2008,2010\nFemales,20.2,20.3,21.6,18.9\n")
    assert charts(table, "line")[0].labels == ("2005", "2006", "2008", "2010")


def test_seasons_and_episodes_are_no_values(tmp_path: Path) -> None:
    text = "show,season,episode,viewers\n" + "".join(
        f"S{n % 3},{1 + n // 8},{1 + n % 8},{500 + 31 * n % 97}\n" for n in range(40)
    )
    assert {c.measure for c in read(tmp_path, text).cubes} <= {"Number of entries", "Total viewers", "Average viewers"}


def test_most_bars_of_a_chart_can_be_seen(tmp_path: Path) -> None:
    text = "Place,2005,2010\nAsia,8.1,11.2\nHonduras,0.07,0.1\nCameroon,0.07,0.11\nCosta Rica,0.05,0.06\n"
    drawn = charts(read(tmp_path, text), "bar", "grouped")
    assert drawn and not any("Asia" in chart.labels for chart in drawn)


def test_series_that_are_times_are_evenly_spaced(tmp_path: Path) -> None:
    for chart in charts(read(tmp_path, LONG), "grouped"):
        years = [int(series.name) for series in chart.series if series.name.isdigit()]
        assert len({later - earlier for earlier, later in pairwise(years)}) <= 1


def test_a_chart_knows_the_columns_and_rows_it_is_drawn_from(tmp_path: Path) -> None:
    for chart in charts(read(tmp_path, LONG), "bar", "scatter"):
        assert set(chart.origin["values"]) <= {"Poverty rate", "Children per woman"}
        where, label = chart.origin["where"], chart.origin["label"]
        assert {label, *where} == {"Entity", "Year"} and chart.title in where.values()


def test_columns_that_share_words_are_drawn_together(tmp_path: Path) -> None:
    heads = ["Drivers (%)", "Nurses (%)", "Young people asked in spring (%)", "Old people asked in spring (%)"]
    table = read(tmp_path, "Town," + ",".join(heads) + "\nA,31,42,44,35\nB,35,49,40,33\nC,33,45,38,41\n")
    assert names(*table.cubes) == [
        "Old people asked in spring (%)+Young people asked in spring (%)",
        "Drivers (%)+Nurses (%)",
    ]


def test_repeated_measurements_are_not_counted(tmp_path: Path) -> None:
    rows = [(kind, seconds, draw) for kind in ("slow", "fast") for seconds in range(8) for draw in (3, 5, 4)]
    text = "".join(f"{kind},{seconds},{seconds * draw / 7:.3f}\n" for kind, seconds, draw in rows)
    assert names(*read(tmp_path, f"Kind,Time,Answer\n{text}").cubes) == ["Average answer"]


def test_continents_do_not_stand_among_countries(tmp_path: Path) -> None:
    rows = [*(f"Land {n}" for n in range(25)), "South Africa", "Western Europe", "High-middle SDI", "Africa", "European Union",
            "EU-27", "OECD average"]  # fmt: skip
    text = "".join(f"{name},{20 + number % 9}\n" for number, name in enumerate(rows))
    assert set(read(tmp_path, f"Country,Rate\n{text}").cubes[0].frame["Country"]) == {*rows[:26]}
    few = read(tmp_path, "Region,Sales\nEurope,31\nUnited States,35\nJapan,34\n")
    assert len(few.cubes[0].frame) == 3


def test_a_line_has_no_lone_points(tmp_path: Path) -> None:
    text = "Year,Wheat,Rye\n" + "".join(
        f"{year},{30 + year % 7},{'' if year == 2005 else 20 + year % 5}\n" for year in range(2000, 2007)
    )
    drawn = charts(read(tmp_path, text), "line")
    assert drawn and not any(chart.series[-1].values[-2] is None for chart in drawn)


def test_series_of_one_value_and_numbers_that_nobody_reads_are_not_drawn(tmp_path: Path) -> None:
    rows = [(town, 2000 + n, n + 5 if town != "Ulm" else 7) for town in ("Ulm", "Bern", "Graz") for n in range(5)]
    text = "Town,Year,Doctors per person\n" + "".join(f"{town},{year},{doctors}E\n" for town, year, doctors in rows)
    drawn = charts(read(tmp_path, text.replace("E", "")), "grouped", "bar")
    assert drawn and all(len(set(series.values)) > 1 for chart in drawn for series in chart.series)
    assert not charts(read(tmp_path, text.replace("E", "e-6")))


def test_fathers_are_told_from_sons(tmp_path: Path) -> None:
    jobs = ["Baker", "Farmer", "Miller"]
    text = "".join(f"{a},{b},{20 + 7 * n * m % 11}\n" for n, a in enumerate(jobs, 1) for m, b in enumerate(jobs, 2))
    for chart in charts(read(tmp_path, f"Father,Son,Count\n{text}"), "bar", "grouped"):
        other = {"Father": "Son", "Son": "Father"}[chart.heading]
        assert other in chart.title or all(series.name.startswith(other) for series in chart.series)


def test_numbers_of_the_rows_are_not_averaged(tmp_path: Path) -> None:
    text = "".join(f"{['North', 'South'][n // 20]},{4000 + 3 * n + n % 2},{n * 7 % 19}\n" for n in range(40))
    assert "Average case" not in names(*read(tmp_path, f"Region,Case,Cost\n{text}").cubes)
