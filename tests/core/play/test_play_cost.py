"""What playing costs besides the engine: waiting games take no memory, and no file is read repeatedly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages import rollout
from stages.core.play import journal
from stages.core.play.game import PreparedGame, blocks, prepare
from stages.core.play.journal import Journal
from stages.core.recipe.rollout import Rollout
from tests.helpers import write_games
from tests.rollout.cost import InstantEngine, measure, recipe, write_deal


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_deal(folder / "deal", write_games(folder / "games", recipe(), count=5), 200)
    return folder


def play(world: Path, out: Path, *overrides: str) -> dict[str, Any]:
    rules = recipe(*overrides)
    return rollout.run(
        rules, world / "games", out, deal=world / "deal", split=None, engine=InstantEngine(tokens=5)
    ).counts


@pytest.mark.parametrize("deterministic", ["true", "false"])
def test_a_game_is_prepared_when_it_begins(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deterministic: str
):
    in_play, most = 0, 0
    really: Callable[..., PreparedGame] = prepare
    add = Journal.add

    def counted(*given: Any) -> PreparedGame:
        nonlocal in_play, most
        in_play += 1
        most = max(most, in_play)
        return really(*given)

    def finished(self: Journal, *given: Any) -> None:
        nonlocal in_play
        in_play -= 1
        add(self, *given)

    monkeypatch.setattr("stages.core.play.folder.prepare", counted)
    monkeypatch.setattr(Journal, "add", finished)
    counts = play(world, tmp_path / "out", "rollout.concurrent_games=16", f"deterministic={deterministic}")
    assert counts["games"] == 200 and most == 16


def test_publishing_a_part_reads_only_the_files_with_its_games(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    read: list[int] = []
    scan = pl.scan_parquet

    def counted(files: list[str], **options: Any) -> pl.LazyFrame:
        read.append(len(files))
        return scan(files, **options)

    monkeypatch.setattr(journal.pl, "scan_parquet", counted)
    monkeypatch.setattr(journal, "SAVE_EVERY", 5)
    monkeypatch.setattr(journal, "GAMES_PER_PART", 20)
    play(world, tmp_path / "out", "rollout.concurrent_games=5")
    assert len(read) == 10  # parts of 20 games
    assert max(read) <= 6  # 4 files of 5 games, and neighbours whose games ended out of order


def test_blocks_are_numbers_of_all_dealt_games():
    assert list(blocks([0, 1, 2, 5, 6, 7, 8, 11], 3)) == [[0, 1, 2], [5], [6, 7, 8], [11]]
    assert list(blocks([], 3)) == []


@pytest.mark.parametrize(("seconds", "files"), [(30, 0), (0, 1)])
def test_a_finished_game_is_saved_after_save_seconds(seconds: float, files: int, world: Path, tmp_path: Path):
    saved = Journal(tmp_path / "journal", Rollout(save_seconds=seconds), deterministic=False)
    saved.add(0, pl.read_parquet(rollout_of(world, tmp_path)).head(1).to_dicts())
    assert len(list((tmp_path / "journal").glob("*.parquet"))) == files


def test_a_missing_or_repeated_game_is_an_error(world: Path, tmp_path: Path):
    saved = Journal(tmp_path / "journal", Rollout(save_seconds=0), deterministic=False)
    row = pl.read_parquet(rollout_of(world, tmp_path)).filter(pl.col("turn") == 0, pl.col("sample") == 0).to_dicts()[0]
    for place, game_id in enumerate(["a", "b", "b"]):
        saved.add(place, [row | {"game_id": game_id}])
    assert sorted(Journal(tmp_path / "journal", Rollout(), False).finished.unique()) == ["a", "b"]
    with pytest.raises(journal.VzError, match="contains 3 games, but 2 were dealt"):
        saved.publish(tmp_path, expected=pl.Series(["a", "b"]))
    with pytest.raises(journal.VzError, match="were dealt"):
        saved.publish(tmp_path, expected=pl.Series(["a", "b", "c"]))


def rollout_of(world: Path, tmp_path: Path) -> Path:
    play(world, tmp_path / "out")
    return tmp_path / "out" / "part-00000.parquet"


def test_playing_costs_little_besides_the_engine(world: Path):
    assert measure(300, tokens=30)["turns_per_cpu_second"] > 1_000  # 3,500 on a quiet core


@pytest.mark.slow
def test_more_games_take_more_time_but_no_more_memory():
    few, many = measure(4_000, tokens=30), measure(16_000, tokens=30)
    assert 3 < many["cpu_seconds"] / few["cpu_seconds"] < 5
    assert many["turns_per_cpu_second"] > 2_000
    assert many["peak_mib"] < 1.25 * few["peak_mib"]
