"""One tiny model and its pictures for all tests of training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.train import world


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return world.build_llava(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world.make_games(tmp_path_factory.mktemp("pictures") / "games")


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory, model: Path, pictures: Path) -> world.World:
    """Eleven rows of the start model, clues and votes: no multiple of any micro-batch in these tests."""
    return world.make_world(tmp_path_factory.mktemp("played"), model, pictures, 11)
