"""make-games killed twice on its way: the result is an undisturbed run's, file by file.

At the paper's size: `python -m tests.make_games.test_kills --pairs 2000 --recipe paper`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

VZ = (sys.executable, "-m", "vzcli.main", "make-games")


def start(out: Path, recipe: str, pairs: int) -> subprocess.Popen[bytes]:
    """The command in a process group of its own, two render processes."""
    command = [*VZ, "--recipe", recipe, "--pairs", str(pairs), "--processes", "2", "--out", str(out)]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)


def made(out: Path) -> int:
    """Pairs that an unfinished run has made."""
    return sum(1 for _ in (out.with_name(f".{out.name}.partial") / ".pairs").glob("*.json"))


def kill_at(out: Path, recipe: str, pairs: int, count: int) -> int:
    """Start, and SIGKILL the whole group once `count` pairs are made. Returns how many then are."""
    running = start(out, recipe, pairs)
    while made(out) < count:
        assert running.poll() is None, "it ended before it could be killed"
        time.sleep(0.02 if pairs < 100 else 1)  # to count a thousand notes takes time of the renderers'
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    return made(out)


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file; the manifest tells times and how often it was begun."""
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "manifest.json"]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def prove(folder: Path, recipe: str, pairs: int) -> int:
    """Kill at a third and at two thirds, finish, and compare with an undisturbed run. Returns the number of files."""
    killed, calm = folder / "killed", folder / "calm"
    first = kill_at(killed, recipe, pairs, pairs // 3)
    second = kill_at(killed, recipe, pairs, 2 * pairs // 3)
    assert pairs // 3 <= first < second < pairs
    assert start(killed, recipe, pairs).wait() == 0
    assert start(calm, recipe, pairs).wait() == 0
    assert contents(killed) == contents(calm)
    return len(contents(calm))


@pytest.mark.slow
def test_killed_twice_the_result_is_the_same(tmp_path: Path) -> None:
    pytest.importorskip("mitsuba", reason="extra 'render' is not installed")
    assert prove(tmp_path, "tiny", 60) == 2 * 60 + 2  # pictures, pairs.parquet and games.parquet


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--recipe", default="paper")
    parser.add_argument("--out", type=Path, default=Path("runs/kills"))
    given = parser.parse_args()
    given.out.mkdir(parents=True)
    print(f"{prove(given.out, given.recipe, given.pairs)} files, all equal")
