"""Temporary folders of killed processes are deleted by the next one; those in use and those of others stay."""

import subprocess
import sys
from pathlib import Path

from stages.core.folder.temporary import TemporaryFolder

KILLED = """
import os, signal, sys
from pathlib import Path
from stages.core.folder.temporary import TemporaryFolder
folder = TemporaryFolder("vz-kind-", Path(sys.argv[1]))
(folder.path / "work").write_text("half")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_deleted_by_the_next_one(tmp_path: Path):
    (tmp_path / "vz-kind-of-another").mkdir()
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert len(list(tmp_path.iterdir())) == 2
    with TemporaryFolder("vz-kind-", tmp_path) as first, TemporaryFolder("vz-kind-", tmp_path) as second:
        assert set(tmp_path.iterdir()) == {first, second, tmp_path / "vz-kind-of-another"}
    assert [path.name for path in tmp_path.iterdir()] == ["vz-kind-of-another"]


def test_a_folder_that_is_kept_stays(tmp_path: Path):
    made = TemporaryFolder("vz-kind-", tmp_path)
    made.keep()
    made.close()
    TemporaryFolder("vz-kind-", tmp_path).close()
    assert list(tmp_path.iterdir()) == [made.path] and not list(made.path.iterdir())
