"""Many rows: in parts or as one, in blocks or at once, the result is the same, and long columns are not read."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from stages import filter as filter_stage
from stages import score
from stages.core import large_tables, tables
from stages.core.errors import InputError
from stages.core.recipe import Recipe, load
from stages.score import stage as score_stage
from tests.score import bench, plain

ROWS = 40 * bench.ROWS_OF_A_GAME
LONG = ["prompt", "images", "completion_ids", "completion_logprobs", "thought"]
WHOLE_TABLE = ["score.clue_scale=role", "score.shuffle=true"]
CHOICES = [["filter.inactive_phase=anchor", "filter.min_abs_advantage=0.1"], ["score.baseline_games=3", *WHOLE_TABLE]]


@pytest.fixture(scope="module")
def rollouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bench.make_rollouts(tmp_path_factory.mktemp("many") / "rollouts", ROWS)


def outputs(recipe: Recipe, rollouts: Path, out: Path) -> dict[str, bytes]:
    """The bytes of all tables that both stages write."""
    scored = score.run(recipe, rollouts, out / "scored", phase="clue").out
    kept = filter_stage.run(recipe, scored, out / "kept", phase="clue", rollouts=rollouts).out
    return {path.name: path.read_bytes() for folder in (scored, kept) for path in folder.glob("*.parquet")}


def in_parts(rollouts: Path, out: Path, games: int) -> Path:
    """The same rollouts with so many games in a part."""
    out.mkdir()
    rows = tables.read_parts(rollouts, tables.ROLLOUTS)
    for number, some in enumerate(rows.iter_slices(games * bench.ROWS_OF_A_GAME)):
        tables.write(some, out / f"part-{number:05d}.parquet", tables.ROLLOUTS)
    for name in ("games.parquet", "manifest.json"):
        (out / name).write_bytes((rollouts / name).read_bytes())
    return out


@pytest.mark.parametrize("choices", CHOICES)
def test_parts_and_blocks_change_no_value(
    rollouts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, choices: list[str]
):
    recipe = load("paper", choices)
    whole = outputs(recipe, rollouts, tmp_path / "whole")
    assert outputs(recipe, in_parts(rollouts, tmp_path / "parts", 7), tmp_path / "of-parts") == whole
    monkeypatch.setattr(score_stage, "GAMES_AT_ONCE", 6)
    monkeypatch.setattr(filter_stage.stage, "ROWS_AT_ONCE", 100)
    blocks = outputs(recipe, tmp_path / "parts", tmp_path / "blocks")
    assert blocks.keys() == whole.keys()
    for name in whole:
        assert pl.read_parquet(blocks[name]).equals(pl.read_parquet(whole[name])), name
    assert outputs(recipe, rollouts, tmp_path / "blocks-of-one") == blocks


def test_only_the_columns_that_are_needed_are_read(rollouts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: set[str] = set()
    scan = large_tables.scan

    def watched(path: Path, schema: tables.Schema, columns: list[str] | None = None) -> pl.LazyFrame:
        asked.update(columns or schema)
        return scan(path, schema, columns)

    monkeypatch.setattr(large_tables, "scan", watched)
    broken = in_parts(rollouts, tmp_path / "rollouts", 40)
    assert not asked.intersection(LONG)
    outputs(load("paper"), broken, tmp_path / "out")
    assert not asked.intersection([*LONG, "completion"]) and "vote" in asked


def test_rows_that_stand_elsewhere_in_the_parts_are_found(rollouts: Path, tmp_path: Path):
    recipe = load("paper")
    whole = outputs(recipe, rollouts, tmp_path / "whole")
    turned = in_parts(rollouts, tmp_path / "turned", 7)
    for part in tables.parts_of(turned):
        rows = tables.read(part, tables.ROLLOUTS)
        tables.write(rows.reverse(), part, tables.ROLLOUTS)
    assert outputs(recipe, turned, tmp_path / "of-turned") == whole


def test_a_row_of_an_unknown_game_is_refused_wherever_it_stands(
    rollouts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(score_stage, "GAMES_AT_ONCE", 6)
    for name in ("aaa", "pair-00000013.i0000", "zzz", None):
        place = in_parts(rollouts, tmp_path / f"with-{name}", 7)
        part = tables.parts_of(place)[2]
        rows = tables.read(part, tables.ROLLOUTS)
        stray = rows.head(1).with_columns(game_id=pl.lit(name, pl.String))
        tables.write(pl.concat([rows, stray]), part, tables.ROLLOUTS)
        with pytest.raises(InputError, match="does not match games.parquet"):
            score.run(load("paper"), place, tmp_path / f"scored-{name}")


def test_plain_python_finds_the_same_rewards_and_advantages(rollouts: Path, tmp_path: Path):
    recipe = load("released-code", ["score.baseline_games=1"])
    scored = score.run(recipe, rollouts, tmp_path / "scored").out
    rows = tables.read(scored / "scored.parquet", tables.SCORED)
    alone = plain.score(bench.games_in_memory(rollouts, 40))
    assert rows["reward"].to_list() == pytest.approx([reward for reward, _ in alone], abs=1e-12)
    assert rows["advantage"].to_list() == pytest.approx([advantage for _, advantage in alone], rel=1e-4)  # ε differs
