"""One small folder of each kind, made once; the tries read them, or spoil copies of them."""

from __future__ import annotations

import shutil
from pathlib import Path

from stages.core.recipe import load
from tests.helpers import FAKE, write_games
from tests.torture.child import Command, in_copy, run

ROOT = Path(__file__).resolve().parents[2]
SCRIPTED = [
    word for setting in [*FAKE, "game.clue_rounds=2"] for word in ("--set", setting)
]  # by the rules of the games
QUIET = ["--set", "iterate.preflight=0", "--set", "evaluate.every=0"]
PLAYED = ["--set", "evaluate.transcripts=2", "--set", "evaluate.questions=4", "--number", "4", "--split", "train"]
# To train on rows that an earlier policy played.
ANY_POLICY = ["--set", "train.logprob_gap_limit=100", "--set", "train.effective_tokens_limit=0"]
DONE = ".done"
LIMIT = 300.0  # seconds; for the making only

# In order: later ones read earlier ones. Relative to the world's folder.
FOLDERS: dict[str, Command] = {
    "rollouts": ["rollout", "games", "--split", "all", "--out", "rollouts", "--set", "rollout.concurrent_games=3"],
    "scored": ["score", "rollouts", "--out", "scored"],
    "kept": ["filter", "scored", "--out", "kept"],
    "checkpoint": ["train", "kept", "--out", "checkpoint", "--state-out", "state"],
    "evaluation": ["evaluate", "games", "--out", "evaluation", *PLAYED, *SCRIPTED],
    "export": ["export", "games", "--out", "export"],
    "run": ["iterate", "--out", "run", "--games", "games", "--rounds", "2", *QUIET, "--set", "iterate.games=4"],
    "scripted": ["iterate", "--out", "scripted", "--games", "games", "--rounds", "3", *SCRIPTED, *QUIET,
                 "--set", "iterate.games=4"],
}  # fmt: skip


def make(world: Path) -> Path:
    """Make all folders, unless they are there. They stand for what a user has: an error here is one of the harness."""
    if (world / DONE).exists():
        return world
    shutil.rmtree(world, ignore_errors=True)
    world.mkdir(parents=True)
    in_copy(_write_games, str(world))
    for name, command in FOLDERS.items():
        end = run(command, world, world / ".said", LIMIT)
        assert end.code == 0, f"{name}: {end.err}"
    (world / DONE).touch()
    return world


def _write_games(world: str) -> None:
    write_games(Path(world, "games"), load("tiny", []), count=10, side=72, scenes=True)
