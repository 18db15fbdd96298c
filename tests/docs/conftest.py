"""What pages start from: a finished small run and the folders of each stage."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from filelock import FileLock

from tests.docs.run import vz
from tests.docs.small import small

PREPARED = (
    "make-games --out games",
    "rollout games --out rollouts --split all",
    "score rollouts --out scored --phase decision",
    "filter scored --out kept --phase decision",
    "iterate --out runs/demo",
)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with games, rollouts, scored, kept and runs/demo of the recipe `tiny`, all small; one for all workers."""
    folder = tmp_path_factory.getbasetemp().parent / "world"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            folder.mkdir()
            with contextlib.chdir(folder):
                for command in PREPARED:
                    assert vz(small(command.split())) == 0, command
    return folder
