import json
from pathlib import Path
from typing import Any

import polars as pl

from stages import iterate
from stages.core.folder import artifact
from stages.core.recipe import Recipe
from tests.helpers import fake_recipe, write_games

EVERY_TWO = ("evaluate.every=2", "evaluate.games=4", "evaluate.transcripts=3", "iterate.games=4")


def recipe(rounds: int, *overrides: str) -> Recipe:
    return fake_recipe(*EVERY_TWO, f"iterate.rounds={rounds}", *overrides)


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "evaluations.jsonl").read_text().splitlines()]


def test_a_run_is_evaluated_before_round_1_and_every_few_rounds(tmp_path: Path):
    games = write_games(tmp_path / "games", recipe(4), count=20)
    run = iterate.run(recipe(4), tmp_path / "run", games=games).out
    assert [line["iteration"] for line in lines(run)] == [0, 2, 4]
    assert all(line["arena"]["games"] == 4 and line["decision"]["transcripts"] == 3 for line in lines(run))
    folders = [run / f"round-{number:04d}" / "evaluation" for number in (0, 2, 4)]
    heard = {artifact.input_of(folder, "transcripts") for folder in folders}
    assert heard == {(run / "transcripts/rollouts").resolve()}
    played = pl.read_parquet(run / "transcripts/games/games.parquet")
    split = pl.read_parquet(games / "pairs.parquet").filter(pl.col("pair_id").is_in(played["pair_id"].to_list()))
    assert set(split["split"]) == {"test"}


def test_a_continued_run_has_the_evaluations_of_an_uninterrupted_one(tmp_path: Path):
    games = write_games(tmp_path / "games", recipe(4), count=20)
    whole = iterate.run(recipe(4), tmp_path / "whole", games=games).out
    iterate.run(recipe(2), tmp_path / "parts", games=games)
    parts = iterate.run(recipe(4), tmp_path / "parts", games=games).out
    assert lines(parts) == lines(whole)


def test_a_run_without_held_out_pairs_does_without_evaluations_and_says_so(tmp_path: Path):
    games = write_games(tmp_path / "games", recipe(2), count=5)
    report = iterate.run(recipe(2), tmp_path / "run", games=games)
    assert "has no pairs in the split 'test', so the run is not evaluated" in report.warnings[0]
    assert report.counts["rounds"] == 2 and not (tmp_path / "run/evaluations.jsonl").exists()
    remedied = iterate.run(recipe(4, "evaluate.split=train"), tmp_path / "run", games=games)
    assert not any("not evaluated" in warning for warning in remedied.warnings)
    assert [line["iteration"] for line in lines(remedied.out)] == [4]


def anchors(run: Path, rounds: int) -> list[str]:
    """What each round's anchors held to, relative to the run; `base` for the base model."""
    found = []
    for number in range(1, rounds + 1):
        folder = run / f"round-{number:04d}" / "checkpoint"
        held = "anchor" in artifact.manifest_of(folder)["inputs"]
        found.append(str(artifact.input_of(folder, "anchor").relative_to(run.resolve())) if held else "base")
    return found


def test_anchors_hold_to_the_policy_at_the_last_change_of_phase(tmp_path: Path):
    cycle = ("iterate.switching=cycle", "iterate.cycle_length=2", "filter.inactive_phase=anchor")
    keep = ("evaluate.every=0", "iterate.keep_checkpoints=9")
    games = write_games(tmp_path / "games", recipe(5), count=20)
    run = iterate.run(recipe(5, *cycle, *keep, "train.anchor_to=switch"), tmp_path / "run", games=games).out
    after = {number: f"round-{number:04d}/checkpoint" for number in (2, 4)}
    assert anchors(run, 5) == ["base", "base", after[2], after[2], after[4]]
    run = iterate.run(recipe(5, *cycle, *keep, "train.anchor_to=base"), tmp_path / "other", games=games).out
    assert anchors(run, 5) == ["base"] * 5


def test_the_checkpoint_that_anchors_hold_to_is_not_pruned(tmp_path: Path):
    cycle = ("iterate.switching=cycle", "iterate.cycle_length=3", "train.anchor_to=switch", "evaluate.every=0")
    games = write_games(tmp_path / "games", recipe(5), count=20)
    settings = ("iterate.keep_checkpoints=1", "filter.inactive_phase=anchor", "iterate.rounds=5")
    run = iterate.run(recipe(5, *cycle, *settings), tmp_path / "run", games=games).out
    assert (run / "round-0003/checkpoint").is_dir() and not (run / "round-0004/checkpoint").is_dir()


def test_clue_rounds_may_have_more_votes(tmp_path: Path):
    cycle = ("iterate.switching=cycle", "iterate.clue_votes=20", "evaluate.every=0")
    games = write_games(tmp_path / "games", recipe(2), count=20)
    run = iterate.run(recipe(2, *cycle), tmp_path / "run", games=games).out
    cast = [pl.read_parquet(run / f"round-{n:04d}/scored/games.parquet")["cast_votes"].unique() for n in (1, 2)]
    assert [each.to_list() for each in cast] == [[8], [20]]  # the first round trains decisions
