"""What pages start from: a finished small run and the folders of each stage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

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
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with games, rollouts, scored, kept and runs/demo of the recipe `tiny`, all small."""
    folder, before = tmp_path_factory.mktemp("world"), Path.cwd()
    os.chdir(folder)
    for command in PREPARED:
        assert vz(small(command.split())) == 0, command
    os.chdir(before)
    yield folder
