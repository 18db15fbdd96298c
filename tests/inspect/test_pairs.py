"""Which pairs are looked at, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from stages import iterate, rollout, score
from stages.core.errors import InputError
from stages.inspect.pairs import change_lines, choose, games_folder, look_at, named_in, scene_of
from stages.inspect.show import show
from tests.helpers import fake_recipe, write_games
from tests.inspect.folders import change, pair, replace_in_pairs, squares, write_pairs


def names(folder: Path, limit: int = 100, ids: str | None = None) -> list[str]:
    chosen = choose(folder, limit, [] if ids is None else named_in(folder, ids))
    return [row["pair_id"] for row in chosen.rows]


def test_the_pairs_behind_any_folder_are_found(games: Path, tmp_path: Path):
    recipe = fake_recipe("iterate.rounds=1", "iterate.games=3")
    rollouts = rollout.run(recipe, games, tmp_path / "rollouts").out
    scored = score.run(recipe, rollouts, tmp_path / "scored").out
    run = iterate.run(recipe, tmp_path / "run", games=games).out
    assert [games_folder(folder) for folder in (games, rollouts, scored, run)] == [games] * 4


def test_a_run_may_have_made_its_own_games(games: Path, tmp_path: Path):
    run = iterate.run(fake_recipe("iterate.rounds=1", "iterate.games=3"), tmp_path / "run", games=games).out
    own = write_games(run / "games", fake_recipe(), count=3)
    assert games_folder(run) == own


def test_a_folder_without_pairs_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no such folder"):
        games_folder(tmp_path / "nothing")
    with pytest.raises(InputError, match="no finished output"):
        games_folder(tmp_path)


def test_a_part_is_spread_evenly(games: Path):
    assert names(games, 4) == ["pair-000", "pair-002", "pair-005", "pair-007"]
    assert choose(games, 4).share == "4 of 10 pairs, spread evenly" and choose(games, 99).share == "10 of 10 pairs"


def test_pairs_are_shown_in_the_order_in_which_they_are_named(games: Path):
    assert names(games, ids="pair-003, pair-001,pair-003") == ["pair-003", "pair-001"]
    for wrong in ("pair-003,other", " , "):
        with pytest.raises(InputError, match="no pair"):
            names(games, ids=wrong)


def test_a_name_may_hold_a_comma(tmp_path: Path):
    folder = write_pairs(tmp_path / "games", [pair("a, b", squares(), None), pair("c", squares(), None)])
    assert names(folder, ids="a, b") == ["a, b"]


def test_a_line_says_what_an_object_was_and_how_it_changed():
    thing = {"shape": "cube", "color": "red", "material": "metal", "size": "large"}
    changes = [change(1, "shape", "cube", "sphere"), change(1, "color", "red", "blue"), change(0, "color", "x", "y")]
    lines = change_lines(changes, {"objects": [{}, thing]})
    assert [line.text for line in lines] == [
        "object 0: color x → y",
        "object 1 (large red metal cube): shape cube → sphere, color red → blue",
    ]


def test_a_line_of_a_chart_names_the_row():
    scene = {"kind": "bar", "title": "t", "table": {"labels": ["2019", "2020"], "series": {"Sales": [1, 2]}}}
    assert change_lines([change(1, "Sales", "2", "5")], scene)[0].text == "object 1 (2020): Sales 2 → 5"


@pytest.mark.parametrize("scene", ["", "[]", "{", '{"objects": 3}', '{"objects": [null]}', '{"table": {"labels": {}}}'])
def test_a_scene_that_tells_nothing_is_no_error(scene: str):
    assert change_lines([change(0, "a", "b", "c")], scene_of(scene))[0].text == "object 0: a b → c"


def test_outlines_are_matched_to_objects(kinds: Path):
    seen = {one.row["pair_id"]: one for one in look_at(choose(kinds, 100))}
    centres = {
        name: [region.centre for region in one.difference.regions] for name, one in seen.items() if one.difference
    }
    assert centres == {"one": [0], "two": [0, 1], "chart": [None], "photo": [None], "equal": []}
    assert seen["equal"].looks_equal and seen["blank"].is_empty and not seen["photo"].is_empty
    assert seen["blank"].difference is None and seen["sizes"].difference is None


def test_places_outside_the_picture_match_nothing(tmp_path: Path):
    scene = json.dumps({"objects": [{"pixel_coords": [4000, 40, 1]}]})
    one = pair("a", squares(), squares((20, 40)), scene=scene, changes=[change(0, "color", "red", "blue")])
    (seen,) = look_at(choose(write_pairs(tmp_path / "games", [one]), 1))
    assert seen.difference is not None and [region.centre for region in seen.difference.regions] == [None]


def test_an_empty_picture_has_no_outlines(tmp_path: Path):
    from PIL import Image

    one = pair("a", squares(), Image.new("RGB", (120, 80), "white"))
    (seen,) = look_at(choose(write_pairs(tmp_path / "games", [one]), 1))
    assert seen.is_empty and seen.difference is None


def test_a_picture_that_is_not_as_noted_is_named(kinds: Path):
    replace_in_pairs(kinds, original_sha256=pl.lit("0" * 64))
    with pytest.raises(InputError, match=r"000_original\.png: the picture is not the one in pairs\.parquet"):
        list(look_at(choose(kinds, 1)))
    (kinds / "images/000_original.png").unlink()
    with pytest.raises(InputError, match=r"000_original\.png: the picture cannot be read"):
        list(look_at(choose(kinds, 1)))


@pytest.mark.parametrize("option", ["page", "sheet"])
def test_no_picture_from_elsewhere_is_shown(kinds: Path, tmp_path: Path, option: str):
    squares().save(tmp_path / "secret.png")
    replace_in_pairs(kinds, original=pl.lit("../secret.png"))
    with pytest.raises(InputError, match=r"'\.\./secret\.png' is the path of a picture outside the folder"):
        show(kinds, **{option: tmp_path / ("page.html" if option == "page" else "sheet.png")})
    replace_in_pairs(kinds, original=pl.lit("images/000_original.png"), original_sha256=pl.lit(None, pl.String))
    with pytest.raises(InputError, match="pair 'one' names no sha256"):
        show(kinds, **{option: tmp_path / ("page.html" if option == "page" else "sheet.png")})


@pytest.mark.parametrize("scene", ["[" * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_a_scene_that_cannot_be_read_tells_nothing(scene: str):
    assert scene_of(scene) == {}
