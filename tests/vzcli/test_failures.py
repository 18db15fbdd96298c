"""How the command ends when a library gives up, and when its output goes nowhere or has few characters."""

import json
import os
import shutil
import subprocess
import sys
from asyncio import CancelledError
from pathlib import Path

import pytest
from polars.exceptions import PanicException

from tests.cli import vz


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (SystemExit("cannot go on"), 1, "vz: cannot go on"),
        (PanicException("index out of bounds"), 1, "vz: PanicException: index out of bounds (an error inside vz"),
        (ValueError("two\nlines"), 1, "vz: ValueError: two lines (an error inside vz"),
        (MemoryError(), 1, "vz: standard output: the system has no more memory or threads (MemoryError); end other"),
        (RuntimeError("can't start new thread"), 1, "vz: standard output: the system has no more memory or threads"),
        (PermissionError(13, "Permission denied", "/x/y"), 1, "vz: /x/y: Permission denied"),
    ],
)
def test_any_failure_is_one_line(error: BaseException, code: int, message: str, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("vzcli.options.load_recipe", fail)
    done = vz("recipe", "check", "tiny")
    assert (done.returncode, done.stderr.count("\n")) == (code, 1)
    assert done.stderr.startswith(message)


def after_ctrl_c(error: BaseException) -> BaseException:
    """The error as raised while Ctrl-C is handled."""
    error.__context__ = KeyboardInterrupt()
    return error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (CancelledError(), 130, "vz: interrupted"),  # asyncio loses count of a Ctrl-C that comes as its loop starts
        (after_ctrl_c(UnboundLocalError("loop")), 130, "vz: interrupted"),  # or as its loop ends
        (after_ctrl_c(PermissionError(13, "Permission denied", "/x/y")), 1, "vz: /x/y: Permission denied"),
    ],
)
def test_what_libraries_make_of_ctrl_c_is_an_interruption(
    error: BaseException, code: int, message: str, monkeypatch: pytest.MonkeyPatch
):
    test_any_failure_is_one_line(error, code, message, monkeypatch)


def test_any_standard_output_will_do(ten_games: Path, tmp_path: Path):
    """Closed, or of ASCII alone, and in a terminal that claims to have no columns."""
    folder = shutil.copytree(ten_games, tmp_path / "Gärten→")
    command = [sys.executable, "-m", "vzcli", "inspect", str(folder)]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "0"}
    text = subprocess.run(command, env=ascii_only, capture_output=True, check=True).stdout
    assert rb"G\xe4rten\u2192: an output of 'make-games'" in text
    found = subprocess.run([*command, "--json"], env=ascii_only, capture_output=True, check=True).stdout
    assert json.loads(found)["title"].endswith("Gärten→: an output of 'make-games'")
    closed = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *command], capture_output=True, check=False)
    assert (closed.returncode, closed.stdout, closed.stderr) == (0, b"", b"")


def test_output_onto_a_full_disk_is_an_error():
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "vzcli", "recipe", "list"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("vz: standard output: ")
