"""SIGKILL in each stage of a round, with the real engine and trainer, changes no byte and no metric."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stages.core.recipe import load
from tests.helpers import write_games
from tests.iterate.test_kills import fingerprint

ROOT = Path(__file__).resolve().parents[2]

# Kills itself at the n-th renaming of something inside a folder: in the middle of that stage's work.
DRIVER = """
import os, signal, sys
from pathlib import Path
inside, left, out, games = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
replace = os.replace
def counted(source, target, **options):
    global left
    if inside in str(source):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return replace(source, target, **options)
os.replace = counted
from stages import iterate
from stages.core.recipe import load
iterate.run(load("tiny", sys.argv[5:]), out, games=games)
"""

SMALL = ["iterate.rounds=3", "iterate.games=8", "iterate.switching=cycle", "rollout.concurrent_games=4",
         "deterministic=true", "train.outside_rows=4", "outside.prompts=16", "train.tokens_per_batch=2048", "evaluate.every=0"]  # fmt: skip

PLACES = [
    (".outside.partial", 1),
    ("round-0002/.games.partial", 1),
    ("round-0002/.rollouts.partial/journal", 2),
    ("round-0002/.rollouts.partial", 4),
    ("round-0002/.scored.partial", 2),
    ("round-0002/.kept.partial", 2),
    ("training-state/.round-0002.partial", 1),
    ("round-0002/.checkpoint.partial", 1),
    ("state.json", 2),
]


def drive(inside: str, count: int, out: Path, games: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", DRIVER, inside, str(count), str(out), str(games), *SMALL]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    folder = tmp_path_factory.mktemp("world")
    games = write_games(folder / "games", load("tiny", SMALL), count=16, side=72)
    done = drive("nowhere", 0, folder / "whole", games)
    assert done.returncode == 0, done.stderr
    return games, fingerprint(folder / "whole")


@pytest.mark.slow
@pytest.mark.parametrize(("inside", "count"), PLACES)
def test_a_kill_in_each_stage_changes_nothing(world, tmp_path: Path, inside: str, count: int):
    games, expected = world
    assert any(name.endswith("model.safetensors") for name in expected)
    assert drive(inside, count, tmp_path / "run", games).returncode == -signal.SIGKILL
    again = drive("nowhere", 0, tmp_path / "run", games)
    assert again.returncode == 0, again.stderr
    found = fingerprint(tmp_path / "run")
    assert {name for name in expected if found.get(name) != expected[name]} == set()
    assert found.keys() == expected.keys()
