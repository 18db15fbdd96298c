"""A disk that fills up under training processes; only root may mount one that is small enough."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.torture.child import run
from tests.torture.disks import can_mount, small_disk
from tests.train.test_ends import SETTINGS
from tests.train.world import World

PATIENCE = 300.0  # seconds


@pytest.mark.parametrize("full", ["out", pytest.param("state", marks=pytest.mark.slow)])
def test_two_processes_on_a_full_disk_end_in_one_line_and_finish_with_more_room(
    full: str, played: World, tmp_path: Path
) -> None:
    if not can_mount():
        pytest.skip("this machine does not let us mount small disks, which needs root")
    with small_disk(tmp_path / "disk", "16k"):
        places = {name: f"disk/{name}" if name == full else name for name in ("out", "state")}
        command = [
            "train",
            str(played.kept),
            "--out",
            places["out"],
            "--state-out",
            places["state"],
            "--processes",
            "2",
        ]
        for setting in (*SETTINGS, f"model.path={played.model}"):
            command += ["--set", setting]
        end = run(command, tmp_path, tmp_path / "said", PATIENCE, new_python=True)
        last = end.err.splitlines()[-1]
        assert (end.code, end.hung, "Traceback" in end.err) == (1, False, False)
        assert last.endswith(
            f"{places[full]}: the disk is full; free some space and repeat the command: finished work is kept"
        )
        subprocess.run(["mount", "-o", "remount,size=9m", tmp_path / "disk"], check=True)
        assert run(command, tmp_path, tmp_path / "said", PATIENCE, new_python=True).code == 0
