"""A project folder that was moved, or is mounted elsewhere, continues in its new place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from stages import iterate, rollout
from stages.core.folder.artifact import content_hash
from stages.core.recipe import Recipe, load
from stages.core.recipe.load import shared_folder
from tests.helpers import write_games

SMALL = ["iterate.games=2", "iterate.preflight=0", "evaluate.every=0", "model.lora.rank=4", "model.lora.alpha=8"]


def recipe_of(project: Path, rounds: int) -> Recipe:
    return load("tiny", [*SMALL, f"iterate.rounds={rounds}", f"model.path={project / 'base'}"])


def test_a_moved_lora_run_continues_and_its_checkpoint_plays(tmp_path: Path):
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(shared_folder("data") / "tiny-model", old / "base")
    games = write_games(old / "games", recipe_of(old, 1), count=6, side=72)
    iterate.run(recipe_of(old, 1), old / "run", games=games)
    assert json.loads((old / "run/round-0001/checkpoint/adapter_config.json").read_text())[
        "base_model_name_or_path"
    ] == str(old / "base")
    old.rename(new)
    report = iterate.run(recipe_of(new, 2), new / "run", games=new / "games")
    assert report.counts["rounds"] == 2
    second = json.loads((new / "run/metrics.jsonl").read_text().splitlines()[1])
    assert second["train"]["off_policy_rows"] == 0 and second["train"]["logprob_gap_mean"] < 1e-3
    first = new / "run/round-0001/checkpoint"
    other = load("tiny", ["model.path=somebody/else"])
    played = rollout.run(other, new / "games", new / "rollouts", split=None, models={"current": first})
    assert played.status == "done" and content_hash(first)
