"""After SIGKILL at any write, the same command continues a run to the same bytes and plays nothing twice."""

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stages import iterate
from tests.helpers import fake_recipe

RECIPE = ["iterate.games=4", "iterate.rounds=3", "rollout.concurrent_games=2", "iterate.switching=cycle"]
RECIPE += ["evaluate.every=2", "evaluate.games=2", "evaluate.transcripts=2"]
AGAIN = 2 * (4 + 1) + 2 * 2 * 2  # requests of one block of two games, or of an evaluation's votes by two policies

# Runs the loop and kills itself with SIGKILL at the n-th change of the disk (renames and folder removals: every
# publication of a file or folder goes through one). Prints the completions that the engine computed, if it survives.
DRIVER = """
import os, pathlib, shutil, signal, sys
from pathlib import Path
kill_at, out, games = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
count = 0
def counted(function):
    def call(*args, **kwargs):
        global count
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return call
os.replace, shutil.rmtree, pathlib.Path.rename = counted(os.replace), counted(shutil.rmtree), counted(pathlib.Path.rename)
from stages import iterate
from stages.core.engines.fake import FakeEngine
from tests.helpers import fake_recipe
class Logged(FakeEngine):
    async def generate(self, request):
        with open(out.parent / "asked.log", "a") as log:
            log.write(f"{request.seed} {request.n}\\n")
        return await super().generate(request)
engine = Logged()
iterate.run(fake_recipe(*sys.argv[4:]), out, games=games, engine=engine)
print(count)
"""


def drive(kill_at: int, out: Path, games: Path) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", DRIVER, str(kill_at), str(out), str(games), *RECIPE]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def fingerprint(run: Path) -> dict[str, str]:
    """Hashes of all tables, checkpoints and metrics; not of manifests and timings, which hold times of day."""
    files = [
        path
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name not in {"manifest.json", "timings.jsonl"}
    ]
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def undisturbed(games: Path, tmp_path: Path) -> tuple[dict[str, str], int, int]:
    """What a run ends with, how often it writes, and how many requests it makes."""
    out = tmp_path / "whole" / "run"
    out.parent.mkdir()
    done = drive(10**9, out, games)
    assert done.returncode == 0, done.stderr
    return fingerprint(out), int(done.stdout), _asked(out)


@pytest.mark.parametrize("part", range(3))  # so that they go to several workers
def test_a_run_killed_at_any_write_ends_with_the_same_bytes(part: int, games: Path, tmp_path: Path, undisturbed):
    expected, writes, asked = undisturbed
    assert writes > 60
    step = writes // 14
    for kill_at in range(2 + part * step, writes + 1, 3 * step):
        out = tmp_path / f"killed-{kill_at}" / "run"
        out.parent.mkdir()
        assert drive(kill_at, out, games).returncode == -signal.SIGKILL
        again = drive(10**9, out, games)
        assert again.returncode == 0, again.stderr
        assert fingerprint(out) == expected, f"killed at write {kill_at}"
        assert _asked(out) - asked <= AGAIN, f"killed at write {kill_at}"


def test_a_run_killed_again_and_again_still_ends(games: Path, tmp_path: Path, undisturbed):
    expected, _, _ = undisturbed
    out = tmp_path / "often" / "run"
    out.parent.mkdir()
    kills = 0
    while (done := drive(24, out, games)).returncode == -signal.SIGKILL:
        kills += 1
        assert kills < 100
    assert done.returncode == 0 and kills > 3
    assert fingerprint(out) == expected


def test_a_lock_refuses_a_second_run(games: Path, tmp_path: Path):
    from stages.core.errors import InputError
    from stages.core.folder import artifact

    with artifact.locked(tmp_path / "run"), pytest.raises(InputError, match="another vz process"):
        iterate.run(fake_recipe(*RECIPE), tmp_path / "run", games=games)


def _asked(run: Path) -> int:
    return len((run.parent / "asked.log").read_text().splitlines())
