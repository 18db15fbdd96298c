"""make-games: drawn pairs, whatever the number of processes, and going on after an interruption."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from stages.core import tables
from stages.core.clevr.rendering import owners
from stages.core.clevr.scene_json import from_json
from stages.core.errors import InputError, MissingExtra
from stages.core.recipe import Recipe, load
from stages.make_games import making, run
from stages.make_games.clevr import drawn
from stages.make_games.clevr.rendered import in_sight
from stages.make_games.making import make_pair
from stages.make_games.pair import Pair, split_of
from tests.make_games.test_kills import contents

pytest.importorskip("mitsuba", reason="extra 'render' is not installed")
SMALL = ["games.width=36", "games.height=36", "games.samples=1"]


def recipe(*overrides: str) -> Recipe:
    return load("tiny", [*SMALL, "games.pairs=4", *overrides])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(recipe(), tmp_path_factory.mktemp("made") / "games", processes=1).out


def test_tables_and_pictures_agree(made: Path) -> None:
    pairs = tables.read(made / "pairs.parquet", tables.PAIRS)
    assert pairs["pair_id"].to_list() == [f"clevr-{number:06d}" for number in range(4)]
    for row in pairs.iter_rows(named=True):
        for role in ("original", "modified"):
            assert row[role] == f"images/{row['pair_id']}_{role}.png"
            data = (made / row[role]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == row[f"{role}_sha256"]
            with Image.open(made / row[role]) as image:
                assert (image.size, image.mode) == ((36, 36), "RGB")
        before, after = json.loads(row["scene"]), json.loads(row["modified_scene"])
        told = [
            {"object": number, "attribute": name, "before": one[name], "after": other[name]}
            for number, (one, other) in enumerate(zip(before["objects"], after["objects"], strict=True))
            for name in ("color", "shape", "size", "material")
            if one[name] != other[name]
        ]
        assert row["changes"] == told
        assert len({change["object"] for change in told}) == 2
        assert {change["attribute"] for change in told} == {"color", "shape"}


def test_one_game_is_dealt_on_each_pair(made: Path) -> None:
    games = tables.read(made / "games.parquet", tables.GAMES)
    assert sorted(games["pair_id"]) == [f"clevr-{number:06d}" for number in range(4)]
    assert set(games["players"]) == {recipe().game.players}


def test_a_stored_scene_renders_the_stored_picture(made: Path) -> None:
    from stages.core.clevr import render
    from stages.core.clevr.effort import Effort
    from stages.core.seeds import derive

    row = tables.read(made / "pairs.parquet", tables.PAIRS).row(0, named=True)
    scene = from_json(json.loads(row["modified_scene"]), "here")
    with Image.open(made / row["modified"]) as image:
        assert image.tobytes() == render(scene, Effort(1), derive(row["seed"], "render")).tobytes()


def test_two_processes_write_the_same_bytes(made: Path, tmp_path: Path) -> None:
    other = run(recipe(), tmp_path / "games", processes=2).out
    assert contents(other) == contents(made)
    assert not list(tmp_path.rglob("*.tmp"))


def test_an_interrupted_run_makes_only_the_missing_pairs(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[str] = []

    def die_at_the_third(pair: Pair, work: Path) -> None:
        began.append(pair.pair_id)
        if len(began) == 3:
            raise KeyboardInterrupt
        make_pair(pair, work)

    monkeypatch.setattr(making, "make_pair", die_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(recipe(), tmp_path / "games", processes=1)
    assert not (tmp_path / "games").exists()
    report = run(recipe(), tmp_path / "games", processes=1)
    assert began == [f"clevr-{number:06d}" for number in (0, 1, 2, 2, 3)]
    assert report.counts["finished_before"] == 2
    assert contents(report.out) == contents(made)


def test_the_same_again_is_up_to_date(made: Path) -> None:
    assert run(recipe(), made, processes=2).status == "up to date"


def test_other_settings_are_refused(made: Path) -> None:
    with pytest.raises(InputError, match="--overwrite"):
        run(recipe("games.changes=1"), made)


def test_blank_games_need_only_originals(tmp_path: Path) -> None:
    out = run(recipe("game.spy_view=blank", "games.pairs=2"), tmp_path / "games", processes=1).out
    pairs = tables.read(out / "pairs.parquet", tables.PAIRS)
    assert pairs["modified"].to_list() == [None, None]
    assert pairs["modified_scene"].to_list() == [None, None]
    assert set(tables.read(out / "games.parquet", tables.GAMES)["spy_view"]) == {"blank"}
    assert len(list((out / "images").iterdir())) == 2


def test_free_scenes_show_every_object_in_both_pictures(tmp_path: Path) -> None:
    settings = ["games.layout=free", "games.width=48", "games.height=32", "games.samples=1", "games.pairs=2"]
    out = run(load("paper-v1", settings), tmp_path / "games", processes=1).out
    for row in tables.read(out / "pairs.parquet", tables.PAIRS).iter_rows(named=True):
        for name in ("scene", "modified_scene"):
            scene = from_json(json.loads(row[name]), name)
            seen = in_sight(owners(scene, "scalar"), len(scene.objects))  # on the rendered shapes, not by projection
            assert len(scene.objects) >= 3 and seen.min() >= 200 * (48 / 320) ** 2


def test_splits_depend_on_the_pair_alone_and_follow_the_shares() -> None:
    rules = load("tiny", ["games.dev_fraction=0.1", "games.test_fraction=0.2"])
    splits = Counter(split_of(rules, f"clevr-{number:06d}") for number in range(4000))
    assert splits["test"] == pytest.approx(800, abs=100)
    assert splits["dev"] == pytest.approx(400, abs=80)


def test_pairs_do_not_depend_on_how_many_are_made(made: Path, tmp_path: Path) -> None:
    fewer = run(recipe("games.pairs=2"), tmp_path / "games", processes=1).out
    short, long = (pl.read_parquet(folder / "pairs.parquet") for folder in (fewer, made))
    assert short.equals(long.head(2))


def test_a_missing_renderer_is_named_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(denoise: bool) -> None:
        raise MissingExtra("render", "mitsuba")

    monkeypatch.setattr(drawn, "check_installed", missing)
    with pytest.raises(MissingExtra, match=r"vz-selfplay\[render\]"):
        run(recipe(), tmp_path / "games")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["games.domain=photo"], "vz draws only clevr and chart"),
        (["games.objects_min=1"], "games.objects_min is 1, but 2 objects must change"),
    ],
)
def test_impossible_settings_are_refused(tmp_path: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(recipe(*overrides), tmp_path / "games")
