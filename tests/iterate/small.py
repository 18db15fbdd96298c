"""A published recipe at small size: all as its file says, but for the machine, the model, the pictures and how many of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stages import iterate
from stages.core.recipe import load

SMALL = ["model.path=data/tiny-model", "model.device=cpu", "model.dtype=float32", "deterministic=true", "threads=1"]
SMALL += ["rollout.engine=transformers", "train.processes=1", "train.accelerate_config=null"]
SMALL += ["games.pairs=5", "games.width=96", "games.height=64", "iterate.rounds=2", "iterate.games=2"]
SMALL += ["rollout.max_clue_tokens=32", "rollout.max_vote_tokens=128", "iterate.preflight=0", "evaluate.games=2"]


def train_two_rounds(name: str, folder: Path, *overrides: str) -> list[dict[str, Any]]:
    """The metrics of each round of the recipe `name`, from the making of its games to the second checkpoint."""
    report = iterate.run(load(name, [*SMALL, *overrides]), folder / "run")
    assert report.counts["updates"] == 2
    return [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
