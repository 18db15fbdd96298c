"""A whole run on vLLM: rows that it sampled train, and what was trained plays the next round."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages import iterate
from stages.core.recipe import Recipe, load
from tests.core.engines.vllm.world import VLLM
from tests.families.gap import gaps
from tests.helpers import write_games

pytestmark = pytest.mark.vllm

SMALL = [
    "iterate.games=6",
    "iterate.rounds=2",
    "iterate.switching=clue",
    "game.clue_rounds=1",
    "train.tokens_per_batch=2048",
]
SMALL += ["filter.inactive_phase=drop", "train.learning_rate=0.01", "train.schedule=constant"]
SMALL += ["iterate.preflight=0"]  # random weights say nothing readable


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_two_rounds_of_self_play(kind: str, vllm_recipe: Recipe, trained_model: Path, tmp_path: Path):
    lora = ["model.lora={rank: 8, alpha: 32}"] if kind == "lora" else []
    recipe = load("tiny", [*VLLM, *SMALL, f"model.path={trained_model}", *lora])
    games = write_games(tmp_path / "games", recipe, count=8, side=72)
    iterate.run(recipe, tmp_path / "run", games=games)
    first, second = map(json.loads, (tmp_path / "run/metrics.jsonl").read_text().splitlines())
    assert first["train"]["rows"] == second["train"]["rows"] == 6 * 4
    assert second["train"]["off_policy_rows"] == 0
    temperature = recipe.rollout.temperature
    made, played = tmp_path / "run/round-0001/checkpoint", tmp_path / "run/round-0002/rollouts"
    assert gaps(made, played, games, temperature).max() < 1e-3
    assert gaps(trained_model, played, games, temperature).max() > 1e-2
