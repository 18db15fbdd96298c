"""Launched training processes end with `vz`, and import nothing from the current folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.train.world import World

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0  # seconds
SETTINGS = (
    "model.device=cpu",
    "threads=1",
    "train.tokens_per_batch=1",
    "train.rows_per_update=1",
    "train.logprob_gap_limit=50.0",
)


def descendants(pid: int) -> set[int]:
    """All processes below `pid` that have not ended."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    found = {pid}
    while True:
        below = {int(child) for child, parent, state in rows if int(parent) in found and not state.startswith("Z")}
        if below <= found:
            return found - {pid}
        found |= below


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def trains(pid: int) -> bool:
    """Whether it is a training process that has torch loaded."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"stages.train.worker" not in arguments or b"launch" in arguments:
            return False
        return "libtorch" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_training_processes_end_when_vz_ends(how: int, played: World, tmp_path: Path) -> None:
    for name in ("fractions", "accelerate", "trl"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'w').close()")
    command = [sys.executable, "-P", "-m", "vzcli", "train", str(played.kept), "--out", "out", "--processes", "2"]
    for setting in (*SETTINGS, f"model.path={played.model}"):
        command += ["--set", setting]
    vz = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True
    )
    try:
        below = _once_training(vz)
    finally:
        vz.send_signal(how)
        vz.communicate()
    assert len(below) >= 3  # torchrun and two training processes
    start = time.monotonic()
    while any(map(is_running, below)) and time.monotonic() - start < 10:
        time.sleep(0.05)
    left = [pid for pid in below if is_running(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
    assert not (tmp_path / "imported").exists()
    assert not (tmp_path / "out").exists()


def _once_training(vz: subprocess.Popen[str]) -> set[int]:
    start = time.monotonic()
    while time.monotonic() - start < PATIENCE:
        below = descendants(vz.pid)
        if sum(map(trains, below)) == 2:
            return below
        assert vz.poll() is None, vz.communicate()[1]
        time.sleep(0.1)
    raise AssertionError("the training processes did not start")
