"""`vz … | head`: the reader goes, the work goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.helpers import FAKE

FAST = [option for override in FAKE for option in ("--set", override)]
VZ = [sys.executable, "-m", "vzcli"]


def test_a_run_outlives_the_readers_of_its_output(games: Path, tmp_path: Path) -> None:
    """All of it, as after `2>&1 | head`; the exit code is that of the work."""
    command = [*VZ, "iterate", "--games", games, "--out", tmp_path / "run", "--rounds", "2", *FAST]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=write, check=False)
    os.close(write)
    assert done.returncode == 0 and (tmp_path / "run/round-0002/round.json").is_file()


def test_what_is_read_is_whole_and_nothing_is_said_of_the_rest(tmp_path: Path) -> None:
    command = " ".join([*VZ, "recipe", "show", "tiny", "--describe"])
    shell = f"set -o pipefail; {command} | head -n 1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("seed = ")


def test_an_error_keeps_its_exit_code_without_a_reader(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*VZ, "inspect", tmp_path / "nothing"], stdout=write, stderr=write, check=False)
    os.close(write)
    assert done.returncode == 2
