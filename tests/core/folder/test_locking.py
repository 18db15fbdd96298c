from pathlib import Path

import pytest

from stages.core.folder import locking
from stages.core.folder.locking import locked


@pytest.fixture
def boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "boot"
    path.write_text("first\n")
    monkeypatch.setattr(locking, "BOOT", path)
    return path


def test_a_machine_that_was_started_again_is_noticed(tmp_path: Path, boot: Path):
    lock = tmp_path / ".out.lock"
    with locked(tmp_path / "out") as power_was_cut:
        assert not power_was_cut and lock.read_text() == "first"
        boot.write_text("second\n")
    with locked(tmp_path / "out") as power_was_cut:
        assert not power_was_cut  # the first writer ended in order, and took its lock away
    lock.write_text("first")
    with locked(tmp_path / "out") as power_was_cut:
        assert power_was_cut and lock.read_text() == "second"
    lock.touch()  # the bytes of the lock itself were lost
    with locked(tmp_path / "out") as power_was_cut:
        assert power_was_cut


def test_a_killed_writer_is_no_power_cut(tmp_path: Path, boot: Path):
    (tmp_path / ".out.lock").write_text("first")
    with locked(tmp_path / "out") as power_was_cut:
        assert not power_was_cut
