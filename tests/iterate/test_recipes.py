"""The published recipes train, from making games to the second checkpoint."""

from pathlib import Path

import pytest

from stages.core import tables
from tests.iterate.small import train_two_rounds

TWICE = ("iterate.plays_per_game=2", "score.baseline_games=2")


def test_released_code_trains_two_rounds(tmp_path: Path):
    rounds = train_two_rounds("released-code", tmp_path, "iterate.games=4", *TWICE)
    for metrics in rounds:
        assert metrics["train"]["logprob_gap_max"] < 1e-3
    assert rounds[1]["train"]["grad_norm"] > 0  # of clues; the tiny model's long votes are all unreadable
    played = tables.read_parts(tmp_path / "run/round-0001/rollouts", tables.ROLLOUTS)
    votes = played.filter(phase="decision")["completion_ids"].list.len()
    assert votes.min() > 100  # rollout.min_vote_tokens, whose masked stop tokens the trainer must know of


@pytest.mark.parametrize(
    ("name", "spy_sees"), [pytest.param("paper", "blank:96x64", marks=pytest.mark.slow), ("paper-v1", "_modified.png")]
)
def test_both_versions_of_the_paper_train_two_rounds(name: str, spy_sees: str, tmp_path: Path):
    rounds = train_two_rounds(name, tmp_path, "seed=1", "rollout.max_clue_tokens=4", "rollout.max_vote_tokens=3")
    for metrics in rounds:
        assert metrics["train"]["logprob_gap_max"] < 1e-3
        assert metrics["train"]["grad_norm"] > 0
    played = tables.read_parts(tmp_path / "run/round-0002/rollouts", tables.ROLLOUTS)
    assert played.filter(role="spy")["images"].list.first().str.ends_with(spy_sees).all()
