"""A run collects the start model's answers once, and every update adds some of them."""

import json
from pathlib import Path

import pytest

from stages import iterate
from stages.core.engines.fake import FakeEngine
from stages.core.errors import InputError
from tests.helpers import fake_recipe

SMALL = ["iterate.games=4", "rollout.concurrent_games=2", "iterate.switching=cycle", "train.total_updates=9"]
OUTSIDE = ["train.outside_rows=3", "outside.prompts=6"]


def rows(run: Path) -> list[int]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["train"].get("outside_rows", 0) for line in lines]


def test_answers_are_collected_once_and_stay_with_the_run(games: Path, tmp_path: Path):
    engine, run = FakeEngine(), tmp_path / "run"
    iterate.run(fake_recipe(*SMALL, *OUTSIDE, "iterate.rounds=1"), run, games=games, engine=engine)
    assert engine.tally.completions == 6 + 4 * (4 + 8)
    table = (run / "outside/outside.parquet").read_bytes()
    engine = FakeEngine()
    iterate.run(fake_recipe(*SMALL, *OUTSIDE, "iterate.rounds=2"), run, games=games, engine=engine)
    assert engine.tally.completions == 4 * (4 + 8)
    assert rows(run) == [3, 3] and (run / "outside/outside.parquet").read_bytes() == table


def test_answers_that_are_lost_are_given_again(games: Path, tmp_path: Path):
    run = tmp_path / "run"
    iterate.run(fake_recipe(*SMALL, *OUTSIDE, "iterate.rounds=1"), run, games=games)
    table = (run / "outside/outside.parquet").read_bytes()
    (run / "outside/outside.parquet").write_bytes(b"")
    report = iterate.run(fake_recipe(*SMALL, *OUTSIDE, "iterate.rounds=2"), run, games=games)
    assert any("outside.parquet: missing or changed" in each and "answered again" in each for each in report.warnings)
    assert (run / "outside/outside.parquet").read_bytes() == table


def test_a_run_without_them_collects_none_and_stays_so(games: Path, tmp_path: Path):
    run = tmp_path / "run"
    iterate.run(fake_recipe(*SMALL, "iterate.rounds=1"), run, games=games)
    assert not (run / "outside").exists() and rows(run) == [0]
    with pytest.raises(InputError, match=r"train.outside_rows was absent, is now 3"):
        iterate.run(fake_recipe(*SMALL, *OUTSIDE, "iterate.rounds=2"), run, games=games)
