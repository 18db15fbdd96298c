"""Full disks and damaged files: one error with the file and a remedy, whatever a library says."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from polars.exceptions import ComputeError, PanicException

from stages.core.errors import InputError, VzError
from stages.core.folder.artifact import Outcome, produce
from stages.core.folder.faults import damage_is_named, disk_full_is_an_error
from tests.cli import vz
from tests.helpers import FAKE

FAST = [option for override in FAKE for option in ("--set", override)]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        ComputeError("No space left on device (os error 28)"),
        RuntimeError('Error while serializing: IoError(Os { code: 28, kind: StorageFull, message: "full" })'),
        ExceptionGroup("games", [OSError(errno.ENOSPC, "No space left on device")]),
    ],
)
def test_a_full_disk_is_known_by_many_words(error: Exception, tmp_path: Path):
    message = r"out: the disk is full; free some space and repeat the command"
    with pytest.raises(VzError, match=message), disk_full_is_an_error(tmp_path / "out"):
        raise error


def test_an_error_that_leads_to_its_own_group_stays_as_it_is(tmp_path: Path):
    """As of games that fail together: the first one's error is raised from its group."""
    first = InputError("no such picture")
    with pytest.raises(InputError, match="no such picture"), disk_full_is_an_error(tmp_path):
        raise first from ExceptionGroup("games", [first])


def test_an_error_that_names_the_full_disk_keeps_its_words(tmp_path: Path):
    with pytest.raises(VzError, match="state: the disk is full"), disk_full_is_an_error(tmp_path):
        raise VzError("state: the disk is full; free some space") from OSError(errno.ENOSPC, "No space left on device")


def test_an_error_on_a_disk_without_room_is_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail() -> None:
        with disk_full_is_an_error(tmp_path / "out"):
            raise RuntimeError("PytorchStreamWriter failed writing file")

    with pytest.raises(RuntimeError):
        fail()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=4096))
    with pytest.raises(VzError, match="the disk is full"):
        fail()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "x", tmp_path]).returncode:
        pytest.skip("only root may mount a small disk")
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


def test_a_run_on_a_full_disk_says_so_and_continues(ten_games: Path, small_disk: Path):
    command = ["iterate", "--games", ten_games, "--out", small_disk / "run", "--rounds", "2", *FAST]
    done = vz(*command)
    assert done.returncode == 1
    assert "the disk is full; free some space and repeat the command" in done.stderr.splitlines()[-1]
    subprocess.run(["mount", "-o", "remount,size=9m", small_disk], check=True)
    assert vz(*command).returncode == 0


def output(out: Path, *inputs: Path) -> Path:
    def write(work: Path) -> Outcome:
        (work / "data").write_bytes(b"data" * 5000)
        return Outcome()

    return produce(out, stage="test", settings={}, inputs={str(place.name): place for place in inputs}, make=write).out


@pytest.mark.parametrize("error", [KeyError("vote"), PanicException("index out of bounds"), ComputeError("bad")])
def test_an_error_at_a_damaged_file_names_the_file(error: BaseException, tmp_path: Path):
    first = output(tmp_path / "first")
    second = output(tmp_path / "second", first)

    def read() -> None:
        with damage_is_named(second):
            raise error

    with pytest.raises(type(error)):
        read()
    data = bytearray((first / "data").read_bytes())
    data[10000] ^= 1
    (first / "data").write_bytes(data)
    with pytest.raises(InputError, match=rf"{first}/data: has changed since vz wrote it.*with --overwrite"):
        read()
    (second / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=rf"{second}/manifest.json: has changed since vz wrote it"):
        read()
