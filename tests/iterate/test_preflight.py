"""The few games before round 1 of a run, and the warning when entropy falls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages import iterate
from stages.core.engines.fake import FakeEngine
from stages.core.errors import InputError, VzError
from stages.core.folder.artifact import Report
from stages.rollout import summary
from tests.helpers import fake_recipe

SMALL = ["iterate.games=4", "iterate.rounds=1", "iterate.preflight=3"]


def test_a_run_begins_with_a_preflight_and_does_not_repeat_it(games: Path, tmp_path: Path):
    told: list[Report] = []
    engine = FakeEngine()
    fixed = "train.total_updates=9"
    iterate.run(fake_recipe(*SMALL, fixed), tmp_path / "run", games=games, engine=engine, on_preflight=told.append)
    assert [report.counts["games"] for report in told] == [3]
    assert engine.tally.completions == (3 + 4) * 12
    more = fake_recipe(*SMALL, "iterate.rounds=2", fixed)
    iterate.run(more, tmp_path / "run", games=games, engine=engine, on_preflight=told.append)
    assert len(told) == 1 and engine.tally.completions == (3 + 4 + 4) * 12


def test_a_run_killed_in_round_1_keeps_its_preflight(games: Path, tmp_path: Path):
    asked = 0

    def stop_in_round_1(request, sample):
        nonlocal asked
        asked += 1
        if asked > 3 * 12:
            raise VzError("the engine is gone")
        return FakeEngine().script(request, sample)

    recipe = fake_recipe(*SMALL)
    with pytest.raises(VzError, match="the engine is gone"):
        iterate.run(recipe, tmp_path / "run", games=games, engine=FakeEngine(stop_in_round_1))
    engine = FakeEngine()
    iterate.run(recipe, tmp_path / "run", games=games, engine=engine)
    assert engine.tally.completions == 4 * 12


def test_a_run_without_readable_answers_stops_before_round_1_and_may_begin_with_other_settings(
    games: Path, tmp_path: Path
):
    run = tmp_path / "run"
    with pytest.raises(InputError, match=r"no clue or vote is readable.*run/preflight"):
        iterate.run(fake_recipe(*SMALL), run, games=games, engine=FakeEngine(lambda *_: "no box"))
    assert (run / "preflight/manifest.json").is_file() and not (run / "round-0001").exists()
    mended = fake_recipe(*SMALL, "rollout.max_clue_tokens=99")
    assert iterate.run(mended, run, games=games).counts["rounds"] == 1


def test_warnings_of_the_preflight_are_warnings_of_the_run(
    games: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(summary, "MOST_UNREADABLE", 0)
    report = iterate.run(fake_recipe(*SMALL), tmp_path / "run", games=games)
    assert report.warnings[0].startswith("preflight: ") and "unreadable votes" in report.warnings[0]


def test_rounds_record_repetition_and_entropy(games: Path, tmp_path: Path):
    iterate.run(fake_recipe(*SMALL), tmp_path / "run", games=games)
    (row,) = (json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines())
    assert row["clue_entropy"] == row["vote_entropy"] == 0.5  # the fake engine's log-probs
    assert row["repeated_clues"] > 0  # its clues are drawn from few
