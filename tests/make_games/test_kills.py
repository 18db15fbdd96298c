"""make-games killed or interrupted on its way: the result is an undisturbed run's, file by file.

At the paper's size: `python -m tests.make_games.test_kills --pairs 2000 --recipe paper-v1`.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from vzcli import REPEAT

VZ = (sys.executable, "-m", "vzcli", "make-games")


def start(
    out: Path,
    recipe: str,
    pairs: int,
    *more: str,
    processes: int = 2,
    ignored: Sequence[signal.Signals] = (),
    **options: Any,
) -> subprocess.Popen[bytes]:
    """The command in a process group of its own, which ignores no signal but those in `ignored`."""

    def set_signals() -> None:  # whatever this process inherited, as a job in the background does
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(each, signal.SIG_IGN if each in ignored else signal.SIG_DFL)

    command = [*VZ, "--recipe", recipe, "--pairs", str(pairs), "--processes", str(processes), "--out", str(out), *more]
    return subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, preexec_fn=set_signals, **options
    )


def made(out: Path) -> int:
    """Pairs that an unfinished run has made."""
    return sum(1 for _ in (out.with_name(f".{out.name}.partial") / ".pairs").glob("*.json"))


def wait_for(running: subprocess.Popen[bytes], out: Path, pairs: int, count: int) -> None:
    """Until `count` of the run's `pairs` are made."""
    while made(out) < count:
        assert running.poll() is None, "it ended before it could be stopped"
        time.sleep(0.02 if pairs < 100 else 1)  # to count a thousand notes takes time of the renderers'


def kill_at(out: Path, recipe: str, pairs: int, count: int) -> int:
    """Start, and SIGKILL the whole group once `count` pairs are made. Returns how many then are."""
    running = start(out, recipe, pairs)
    wait_for(running, out, pairs, count)
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


# Small pictures on which the renderer spends far more time than on all else, so that signals meet it at work.
SLOWLY = ("--set", "games.renderer=scalar", "--set", "games.quality=fine")


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], dict[str, str]]:
    """What an undisturbed run of so many pairs writes."""
    pytest.importorskip("mitsuba", reason="extra 'render' is not installed")

    @functools.cache
    def of(pairs: int) -> dict[str, str]:
        out = tmp_path_factory.mktemp("calm") / "games"
        assert start(out, "tiny", pairs, *SLOWLY).wait() == 0
        return contents(out)

    return of


def interrupt(out: Path, how: signal.Signals, pairs: int, count: int, delay: float) -> None:
    """Send a signal to the whole group, as a terminal does, `delay` seconds after `count` pairs are made."""
    running = start(out, "tiny", pairs, *SLOWLY, stderr=subprocess.PIPE)
    wait_for(running, out, pairs, count)
    time.sleep(delay)
    os.killpg(running.pid, how)
    said = running.communicate()[1]
    if how == signal.SIGINT:
        *noticed, ended = said.decode().splitlines()
        assert (running.returncode, ended) == (130, f"vz: {REPEAT}")
        assert all(line.startswith("stopping: ") for line in noticed)  # on a slow machine
    else:  # ended on the spot; Python's own resource tracker may mourn its semaphores
        assert running.returncode == -how and b"Traceback" not in said


def test_ctrl_c_spoils_no_picture(calm: Callable[[int], dict[str, str]], tmp_path: Path) -> None:
    out, pairs = tmp_path / "games", 12
    expected = calm(pairs)
    interrupt(out, signal.SIGINT, pairs, 3, 0.1)
    interrupt(out, signal.SIGTERM, pairs, 7, 0.05)
    assert start(out, "tiny", pairs, *SLOWLY).wait() == 0
    assert contents(out) == expected


def test_a_job_that_ignores_ctrl_c_is_not_disturbed_by_it(
    calm: Callable[[int], dict[str, str]], tmp_path: Path
) -> None:
    out, pairs = tmp_path / "games", 12
    expected = calm(pairs)
    running = start(out, "tiny", pairs, *SLOWLY, processes=1, ignored=[signal.SIGINT])  # as a script's `&` does
    for count in range(1, pairs, 3):
        wait_for(running, out, pairs, count)
        os.killpg(running.pid, signal.SIGINT)
    assert running.wait() == 0
    assert contents(out) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [signal.SIGINT] * 12 + [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT] * 3,
    ids=lambda how: signal.Signals(how).name,
)
def test_whenever_a_signal_comes_the_result_is_the_same(
    how: signal.Signals,
    calm: Callable[[int], dict[str, str]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    dice, pairs = Random(request.node.name), 40
    interrupt(tmp_path / "games", how, pairs, dice.randrange(pairs - 10), dice.random() / 2)
    assert start(tmp_path / "games", "tiny", pairs, *SLOWLY).wait() == 0
    assert contents(tmp_path / "games") == calm(pairs)


@pytest.mark.slow
def test_killed_twice_the_result_is_the_same(tmp_path: Path) -> None:
    pytest.importorskip("mitsuba", reason="extra 'render' is not installed")
    assert prove(tmp_path, "tiny", 60) == 2 * 60 + 2  # pictures, pairs.parquet and games.parquet


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--recipe", default="paper-v1")
    parser.add_argument("--out", type=Path, default=Path("runs/kills"))
    given = parser.parse_args()
    given.out.mkdir(parents=True)
    print(f"{prove(given.out, given.recipe, given.pairs)} files, all equal")
