"""Pairs of charts from tables, from the plan to the files."""

from __future__ import annotations

import importlib.util
import io
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib", reason="extra 'charts' is not installed")

from stages.core import tables
from stages.core.errors import InputError, MissingExtra
from stages.core.recipe import load
from stages.core.recipe.charts import ChartSettings
from stages.core.recipe.load import shared_folder
from stages.make_games import Sources, charts, run
from stages.make_games.charts import chart_pair, plan
from stages.make_games.charts.chart_pair import ChartPair
from stages.make_games.pair import Made, Skipped
from tests.make_games.charts.plain import recipe, write

SALES = "Town,Sales\nA,30\nB,80\nC,10\nD,55\nE,100\n"
LONG_NAMES = "Town,Sales\n" + "".join(f"A rather long name of some place number {row},{7 * row}\n" for row in range(12))
YEARS = "Year,Wind,Coal\n2010,8,46\n2013,19,31\n2016,13,39\n2019,26,22\n"


def first_pair(path: Path, *overrides: str) -> ChartPair:
    pair = plan(recipe("games.pairs=1", *overrides), path).pairs[0]
    assert isinstance(pair, ChartPair)
    return pair


def made(pair: ChartPair) -> Made:
    result = pair.make()
    assert isinstance(result, Made)
    return result


def pixels(data: bytes | None) -> np.ndarray:
    assert data is not None
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode, image.info) == ("PNG", "RGB", {})
        return np.asarray(image)


def test_tables_are_taken_in_turn_with_another_kind_each_time(tmp_path: Path) -> None:
    write(tmp_path, "sales.csv", SALES)
    write(tmp_path / "more", "by year.csv", YEARS)
    pairs = plan(recipe("games.pairs=8"), tmp_path).pairs
    assert [pair.pair_id for pair in pairs] == [
        f"chart-{name}-{turn}" for turn in range(4) for name in ("more-by year", "sales")
    ]
    assert {pair.kinds[0] for pair in pairs[::2]} == {"bar", "grouped", "line"}
    assert {pair.kinds[0] for pair in pairs[1::2]} == {"bar"}
    assert {pair.domain for pair in pairs} == {"chart"}
    assert pairs[0].source == f"tables:{tmp_path.name}"


def test_more_pairs_leave_the_first_ones_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, "sales.csv", SALES)
    few, many = (plan(recipe(f"games.pairs={count}"), tmp_path).pairs for count in (2, 6))
    assert [replace(pair, games=few[0].games) for pair in many[:2]] == few


def test_all_pairs_of_a_table_are_in_one_split(tmp_path: Path) -> None:
    for number in range(12):
        write(tmp_path, f"sales-{number}.csv", SALES)
    pairs = plan(recipe("games.pairs=60"), tmp_path).pairs
    splits = {(pair.path.name, pair.split) for pair in pairs}
    assert len(splits) == 12
    assert len({split for _, split in splits}) > 1


def test_the_same_recipe_gives_the_same_pair_and_another_seed_another(tmp_path: Path) -> None:
    path = write(tmp_path, "sales.csv", SALES)
    first = made(first_pair(path))
    assert made(first_pair(path)) == first
    other = plan(recipe("games.pairs=1").model_copy(update={"seed": 1}), path).pairs[0].make()
    assert isinstance(other, Made)
    assert other.original != first.original


def test_the_users_matplotlib_settings_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    path = write(tmp_path, "sales.csv", SALES)
    first = made(first_pair(path))
    users = {
        "font.size": 22,
        "text.hinting": "none",
        "text.hinting_factor": 1,
        "axes.facecolor": "red",
        "savefig.dpi": 9,
    }
    for name, value in users.items():
        monkeypatch.setitem(matplotlib.rcParams, name, value)
    assert made(first_pair(path)) == first


def test_a_table_whose_name_is_too_long_for_files_gets_a_shorter_one(tmp_path: Path) -> None:
    write(tmp_path, f"{'a' * 230}.csv", SALES)
    assert len(plan(recipe(), tmp_path).pairs[0].pair_id) < 220


def test_tables_may_have_names_in_any_script(tmp_path: Path) -> None:
    for name in ("销售.csv", "人口.csv", "हिन्दी.csv"):
        write(tmp_path, name, SALES)
    pairs = plan(recipe("games.pairs=3"), tmp_path).pairs
    assert {pair.pair_id for pair in pairs} == {"chart-销售-0", "chart-人口-0", "chart-हिन्दी-0"}


def test_tables_in_linked_folders_are_found(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "sales.csv", SALES)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "more").symlink_to(tmp_path / "elsewhere")
    assert plan(recipe("games.pairs=1"), tmp_path / "in").pairs[0].pair_id == "chart-more-sales-0"


def test_the_change_log_follows_the_pictures(tmp_path: Path) -> None:
    path = write(tmp_path, "years.csv", YEARS)
    for turn, pair in enumerate(plan(recipe("games.pairs=6"), path).pairs):
        result = made(pair)
        assert result.scene is not None and result.modified_scene is not None
        before, after = result.scene["table"], result.modified_scene["table"]
        told = [
            (change.object, change.attribute, float(change.before), float(change.after)) for change in result.changes
        ]
        seen = [
            (row, name, one, other)
            for row in range(len(before["labels"]))
            for name in before["series"]
            for one, other in [(before["series"][name][row], after["series"][name][row])]
            if one != other
        ]
        assert sorted(told) == sorted(seen), turn
        assert len(told) == 2
        assert {told[0][2], told[0][3]} == {told[1][2], told[1][3]}
        assert result.scene["chart"] == result.modified_scene["chart"]
        assert result.scene["source"]["as_given"] != result.modified_scene["source"]["as_given"]


def test_about_half_of_the_originals_are_the_table_as_given(tmp_path: Path) -> None:
    path = write(tmp_path, "sales.csv", SALES)
    coins = Counter()
    for pair in plan(recipe("games.pairs=400"), path).pairs:
        # As make() throws it; four hundred pairs of pictures would take a minute.
        coins[chart_pair.as_given(pair.seed)] += 1
    assert 160 < coins[True] < 240  # four standard deviations


@pytest.mark.parametrize("text", [SALES, YEARS, "Month,A,B\nJan,5,9\nFeb,3,8\nMar,2,6\nApr,1,4\n"])
def test_the_coin_exchanges_the_pictures_and_changes_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    for pair in plan(recipe("games.pairs=3"), write(tmp_path, "things.csv", text)).pairs:
        monkeypatch.setattr(chart_pair, "as_given", lambda _: True)
        heads = made(pair)
        monkeypatch.setattr(chart_pair, "as_given", lambda _: False)
        tails = made(pair)
        assert (heads.original, heads.modified) == (tails.modified, tails.original)
        assert (heads.scene, heads.modified_scene) == (tails.modified_scene, tails.scene)
        assert [(c.object, c.attribute, c.before, c.after) for c in heads.changes] == [
            (c.object, c.attribute, c.after, c.before) for c in tails.changes
        ]


def test_pictures_have_the_recipes_size_and_differ_plainly(tmp_path: Path) -> None:
    result = made(first_pair(write(tmp_path, "sales.csv", SALES), "games.width=640"))
    first, second = pixels(result.original), pixels(result.modified)
    assert first.shape == second.shape == (320, 640, 3)
    plain = (abs(first.astype(int) - second.astype(int)).max(axis=2) > 32).sum()
    assert plain >= 100 * 640 / 480


def test_a_table_of_equal_values_is_skipped_before_tables_are_dealt_to_splits(tmp_path: Path) -> None:
    flat = write(tmp_path, "flat.csv", "Town,Sales\nA,500\nB,501\nC,502\n")
    why = "flat.csv: values are equal, closer than games.charts.min_difference allows, too far apart"
    with pytest.raises(InputError, match=why):
        first_pair(flat)
    write(tmp_path, "sales.csv", SALES)
    planned = plan(recipe("games.pairs=2"), tmp_path)
    assert planned.tables == 2 and why in planned.skipped["chart-flat"].detail
    assert {pair.pair_id for pair in planned.pairs} == {"chart-sales-0", "chart-sales-1"}


def test_what_has_no_room_is_skipped_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart_pair, "TEXT_SIZE", 0.06)
    pair = first_pair(write(tmp_path, "things.csv", LONG_NAMES), "games.width=240", "games.height=180")
    why = "things.csv: no room for its labels at 240x180; make pictures larger"
    assert pair.make() == Skipped("no room for its labels", why)


def test_a_table_that_no_wanted_kind_can_show_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lacks the rows, numbers or units for line"):
        first_pair(write(tmp_path, "sales.csv", SALES), "games.charts.kinds=[line]")


def test_letters_that_the_font_lacks_are_a_reason_to_skip(tmp_path: Path) -> None:
    result = first_pair(write(tmp_path, "cities.csv", "市,人口\n東京,30\n大阪,10\n京都,5\n")).make()
    assert isinstance(result, Skipped)
    assert result.reason == "letters missing"
    assert "市" in result.detail and "games.charts.fonts" in result.detail


def test_a_blank_spy_needs_one_picture_and_the_table_as_it_is(tmp_path: Path) -> None:
    result = made(first_pair(write(tmp_path, "flat.csv", SALES), "game.spy_view=blank"))
    assert (result.modified, list(result.changes), result.modified_scene) == (None, [], None)
    assert result.scene is not None
    assert result.scene["source"]["as_given"]


def test_tables_that_cannot_be_drawn_are_skipped_with_their_reasons(tmp_path: Path) -> None:
    write(tmp_path / "in", "bad.csv", "Town,Name\nA,x\nB,y\n")
    with pytest.raises(InputError, match=r"no table makes a chart; the first: .*bad\.csv: has no column of num"):
        plan(recipe(), tmp_path / "in")
    write(tmp_path / "in", "sales.csv", SALES)
    given, out = Sources(tables=tmp_path / "in"), tmp_path / "games"
    with pytest.raises(InputError, match=r"has no column of numbers.*leave out --strict"):
        run(recipe("games.pairs=2", "games.strict=true"), out, sources=given, processes=1)
    report = run(recipe("games.pairs=2"), out, sources=given, processes=1)
    row = tables.read(out / "skipped.parquet", tables.SKIPPED).row(0, named=True)
    assert (row["pair_id"], row["reason"]) == ("chart-bad", "table skipped")
    assert report.counts["pairs"] == 2 and report.counts["skipped"] == {"table skipped": 1}


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ((), "nowhere", "nowhere: no such file or folder of tables"),
        (("notes.txt",), "", r"holds no file named \*\.csv"),
    ],
)
def test_folders_that_cannot_be_used(tmp_path: Path, files: tuple[str, ...], path: str, message: str) -> None:
    for name in files:
        write((tmp_path / name).parent, Path(name).name, SALES)
    with pytest.raises(InputError, match=message):
        plan(recipe(), tmp_path / path)


def test_of_two_tables_with_one_name_the_first_is_drawn(tmp_path: Path) -> None:
    for name in ("sales.csv", "sales.tsv"):
        write(tmp_path, name, SALES)
    made = plan(recipe("games.pairs=2"), tmp_path)
    assert {pair.path.name for pair in made.pairs if isinstance(pair, ChartPair)} == {"sales.csv"}
    (skipped,) = made.skipped.values()
    assert skipped.detail.endswith("sales.csv would get the same name, 'sales'; rename one of them")


def test_pictures_too_small_for_words_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="72 and 72, but the text of a chart needs at least 240 by 180 pixels"):
        plan(recipe("games.width=72", "games.height=72"), write(tmp_path, "sales.csv", SALES))


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        charts, "find_spec", lambda name: None if name == "matplotlib" else importlib.util.find_spec(name)
    )
    with pytest.raises(MissingExtra, match=r"pip install 'vz-selfplay\[charts\]'"):
        plan(recipe(), write(tmp_path, "sales.csv", SALES))


def test_the_tables_of_vz_can_all_be_drawn_as_some_kind() -> None:
    pairs = plan(recipe("games.pairs=60", "games.domain=chart"), None).pairs
    names = {path.stem for path in (shared_folder("data") / "tables").glob("*.csv")}
    assert len(names) >= 40
    assert {pair.path.stem for pair in pairs} == names
    assert all(pair.kinds for pair in pairs)
    assert {kind for pair in pairs for kind in pair.kinds} == set(ChartSettings().kinds)


def test_some_pairs_of_the_tables_of_vz() -> None:
    pairs = plan(recipe("games.pairs=60", "games.domain=chart"), None).pairs
    kinds = Counter(made(pair).scene["kind"] for pair in random.Random(0).sample(pairs, 8))
    assert len(kinds) >= 3


def test_the_folder_that_comes_out(tmp_path: Path) -> None:
    write(tmp_path / "in", "sales.csv", SALES)
    write(tmp_path / "in", "years.csv", YEARS)
    report = run(recipe("games.pairs=3"), tmp_path / "games", sources=Sources(tables=tmp_path / "in"), processes=1)
    rows = tables.read(report.out / "pairs.parquet", tables.PAIRS).to_dicts()
    assert [row["pair_id"] for row in rows] == ["chart-sales-0", "chart-years-0", "chart-sales-1"]
    for row in rows:
        scene = json.loads(row["scene"])
        texts = (tmp_path / "in" / scene["source"]["file"]).read_text().replace("\n", ",").split(",")
        assert {change["before"] for change in row["changes"]} <= set(texts)
        assert pixels((report.out / row["original"]).read_bytes()).shape == (320, 480, 3)
    again = run(recipe("games.pairs=3"), tmp_path / "games", sources=Sources(tables=tmp_path / "in"), processes=1)
    assert again.status == "up to date"


def test_splits_without_pairs_are_told_once_with_a_remedy_that_works(tmp_path: Path) -> None:
    given = Sources(tables=write(tmp_path, "sales.csv", SALES))
    report = run(recipe("games.pairs=2"), tmp_path / "games", sources=given, processes=1)
    assert [warning.partition(":")[0] for warning in report.warnings] == ["splits dev and test have no pairs"]
    zero = [word for word in report.warnings[0].strip(")").split() if word.startswith("games.")]
    again = run(recipe("games.pairs=2", *zero), tmp_path / "again", sources=given, processes=1)
    assert zero and not again.warnings
    drawn = run(load("tiny", ["games.pairs=1"]), tmp_path / "drawn", processes=1)
    assert "make more (--pairs)" in drawn.warnings[0]
