"""Which pairs are shown, and how they are described."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from stages import iterate, rollout, score
from stages.core.changes import change_lines, scene_of
from stages.core.errors import InputError
from stages.inspect.pairs import choose, games_folder, look_at
from stages.inspect.show import show
from tests.helpers import fake_recipe, write_games
from tests.inspect.folders import change, pair, replace_in_pairs, squares, write_pairs


def names(folder: Path, limit: int = 100, ids: str | None = None) -> list[str]:
    return [row["pair_id"] for row in choose(folder, limit, ids).rows]


def test_the_pairs_behind_any_output_are_found(games: Path, tmp_path: Path):
    recipe = fake_recipe("iterate.rounds=1", "iterate.games=3")
    rollouts = rollout.run(recipe, games, tmp_path / "rollouts").out
    scored = score.run(recipe, rollouts, tmp_path / "scored").out
    run = iterate.run(recipe, tmp_path / "run", games=games).out
    assert [games_folder(folder) for folder in (games, rollouts, scored, run)] == [games] * 4


def test_a_run_can_hold_its_own_games(games: Path, tmp_path: Path):
    run = iterate.run(fake_recipe("iterate.rounds=1", "iterate.games=3"), tmp_path / "run", games=games).out
    own = write_games(run / "games", fake_recipe(), count=3)
    assert games_folder(run) == own


def test_a_folder_without_pairs_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no such folder"):
        games_folder(tmp_path / "nothing")
    with pytest.raises(InputError, match="not a finished output"):
        games_folder(tmp_path)


def test_a_selection_is_spread_evenly(games: Path):
    assert names(games, 4) == ["pair-000", "pair-002", "pair-005", "pair-007"]
    assert choose(games, 4).share == "4 of 10 pairs, spread evenly" and choose(games, 99).share == "10 of 10 pairs"


def test_pairs_are_shown_in_the_order_in_which_they_are_named(games: Path):
    assert names(games, ids="pair-003, pair-001,pair-003") == ["pair-003", "pair-001"]
    for wrong in ("pair-003,other", " , "):
        with pytest.raises(InputError, match="no pair"):
            names(games, ids=wrong)


def test_an_id_may_hold_a_comma(tmp_path: Path):
    folder = write_pairs(tmp_path / "games", [pair("a, b", squares(), None), pair("c", squares(), None)])
    assert names(folder, ids="a, b") == ["a, b"]


def test_a_line_describes_an_object_and_its_changes():
    cube = {"shape": "cube", "color": "red", "material": "metal", "size": "large"}
    changes = [change(1, "shape", "cube", "sphere"), change(1, "color", "red", "blue"), change(0, "color", "x", "y")]
    lines = change_lines(changes, {"objects": [{}, cube]})
    assert [line.text for line in lines] == [
        "object 0: color x → y",
        "object 1 (large red metal cube): shape cube → sphere, color red → blue",
    ]


def test_a_line_of_a_chart_names_the_row():
    scene = {"kind": "bar", "title": "t", "table": {"labels": ["2019", "2020"], "series": {"Sales": [1, 2]}}}
    assert change_lines([change(1, "Sales", "2", "5")], scene)[0].text == "row 1 (2020): Sales 2 → 5"


@pytest.mark.parametrize("scene", ["", "[]", "{", '{"objects": 3}', '{"objects": [null]}', '{"table": {"labels": {}}}'])
def test_a_scene_without_useful_content_is_no_error(scene: str):
    assert change_lines([change(0, "a", "b", "c")], scene_of(scene))[0].text.endswith(" 0: a b → c")


def test_differences_are_outlined_and_changed_objects_located(kinds: Path):
    seen = {one.row["pair_id"]: one for one in look_at(choose(kinds, 100))}
    boxes = {name: len(one.difference.boxes) for name, one in seen.items() if one.difference}
    assert boxes == {"one": 1, "two": 2, "chart": 1, "photo": 1, "equal": 0}
    assert seen["two"].places == {0: (20, 40), 1: (80, 40)} and not seen["chart"].places
    assert seen["equal"].looks_equal and seen["blank"].is_empty and not seen["photo"].is_empty
    assert seen["blank"].difference is None and seen["sizes"].difference is None


@pytest.mark.parametrize("place", [[4000, 40, 1], [20], "20, 40", ["20", 40]])
def test_useless_places_are_ignored(tmp_path: Path, place: object):
    scene = json.dumps({"objects": [{"pixel_coords": place}]})
    one = pair("a", squares(), squares((20, 40)), scene=scene, changes=[change(0, "color", "red", "blue")])
    (seen,) = look_at(choose(write_pairs(tmp_path / "games", [one]), 1))
    assert seen.places == {}


def test_an_empty_picture_has_no_outlines(tmp_path: Path):
    from PIL import Image

    one = pair("a", squares(), Image.new("RGB", (120, 80), "white"))
    (seen,) = look_at(choose(write_pairs(tmp_path / "games", [one]), 1))
    assert seen.is_empty and seen.difference is None


def test_a_missing_or_different_picture_is_named(kinds: Path):
    replace_in_pairs(kinds, original_sha256=pl.lit("0" * 64))
    with pytest.raises(InputError, match=r"000_original\.png: the picture is not the one in pairs\.parquet"):
        list(look_at(choose(kinds, 1)))
    (kinds / "images/000_original.png").unlink()
    with pytest.raises(InputError, match=r"000_original\.png: the picture cannot be read"):
        list(look_at(choose(kinds, 1)))


@pytest.mark.parametrize("name", ["page.html", "sheet.png"])
def test_pictures_outside_the_folder_are_refused(kinds: Path, tmp_path: Path, name: str):
    squares().save(tmp_path / "secret.png")
    replace_in_pairs(kinds, original=pl.lit("../secret.png"))
    with pytest.raises(InputError, match=r"the picture path '\.\./secret\.png' leads outside the folder"):
        show(kinds, tmp_path / name, sheet=name == "sheet.png")
    replace_in_pairs(kinds, original=pl.lit("images/000_original.png"), original_sha256=pl.lit(None, pl.String))
    with pytest.raises(InputError, match="pair 'one' has no sha256"):
        show(kinds, tmp_path / name, sheet=name == "sheet.png")


@pytest.mark.parametrize("scene", ["[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_an_unreadable_scene_counts_as_empty(scene: str):
    assert scene_of(scene) == {}
