"""More pairs than a finished folder has, or other games on them: what it has is not made again."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from stages.core.errors import InputError
from stages.core.folder.artifact import Report
from stages.core.recipe import Recipe, load
from stages.make_games import making, run
from tests.make_games.test_kills import contents

QUICK = ("games.renderer=scalar", "games.samples=1", "games.denoise=false", "games.noise.identical=0.3")


def rules(*overrides: str) -> Recipe:
    return load("tiny", [*QUICK, *overrides])


def made(out: Path, *overrides: str, overwrite: bool = True) -> Report:
    return run(rules(*overrides), out, overwrite=overwrite, processes=1)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mitsuba", reason="extra 'render' is not installed")
    return made(tmp_path_factory.mktemp("three") / "games", "games.pairs=3").out


def copied(folder: Path, to: Path) -> Path:
    to.parent.mkdir(parents=True, exist_ok=True)
    for file in folder.rglob("*"):
        if file.is_file():
            (to / file.relative_to(folder)).parent.mkdir(parents=True, exist_ok=True)
            (to / file.relative_to(folder)).write_bytes(file.read_bytes())
    return to


@pytest.mark.parametrize("change", ["games.pairs=5", "games.pairs=2", "game.players=5", "game.clue_rounds=1"])
def test_only_what_is_new_is_made(three: Path, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = copied(three, tmp_path / "games")
    overrides = ["games.pairs=3", change]
    with pytest.raises(InputError, match=rf"\({change.replace('=', ' was ., is now ')}.*use --overwrite"):
        made(out, *overrides, overwrite=False)
    worked: list[str] = []
    make_pair = making.make_pair
    monkeypatch.setattr(
        "stages.make_games.making.make_pair", lambda pair, work: (worked.append(pair.pair_id), make_pair(pair, work))
    )
    report = made(out, *overrides)
    assert worked == (["clevr-000003", "clevr-000004"] if change == "games.pairs=5" else [])
    assert (report.counts["taken_over"], report.counts["finished_before"]) == (report.counts["pairs"] - len(worked), 0)
    afresh = made(tmp_path / "afresh" / "games", *overrides)
    assert contents(out) == contents(afresh.out)
    assert {key: value for key, value in report.counts.items() if key not in ("taken_over", "redrawn")} == {
        key: value for key, value in afresh.counts.items() if key != "redrawn"
    }


@pytest.mark.parametrize("change", ["seed=1", "games.samples=2", "games.noise.identical=0.4"])
def test_pairs_that_would_differ_are_made_again(three: Path, tmp_path: Path, change: str) -> None:
    report = made(copied(three, tmp_path / "games"), "games.pairs=3", change)
    assert "taken_over" not in report.counts


def test_a_spoilt_picture_is_made_again(three: Path, tmp_path: Path) -> None:
    out = copied(three, tmp_path / "games")
    picture = out / "images" / "clevr-000001_original.png"
    right = picture.read_bytes()
    picture.write_bytes(right[:-1] + b"x")
    assert made(out, "games.pairs=4").counts["taken_over"] == 2
    assert picture.read_bytes() == right
    assert pl.read_parquet(out / "pairs.parquet").height == 4
