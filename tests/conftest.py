"""Fixtures that many tests share."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers import fake_recipe, write_games

# By which Ray knows who may join a cluster. It reads them when it is first imported, which vLLM does too.
os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0123456789abcdef" * 4)
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # where there is no network, each question would be repeated for a minute
os.environ.setdefault("HF_DATASETS_CACHE", str(Path(tempfile.gettempdir(), "vz-tests-datasets")))

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="module", autouse=True)
def imports_are_no_garbage() -> None:
    """Keeps what is imported by now out of garbage collection: beside torch each `gc.collect` takes a third of a second.

    The trainer's libraries call it several times a run.
    """
    gc.freeze()


@pytest.fixture(scope="session")
def ten_games(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_games(tmp_path_factory.mktemp("ten") / "games", fake_recipe(), count=10)


@pytest.fixture
def games(ten_games: Path, tmp_path: Path) -> Path:
    """A copy of its own, which a test may change."""
    return shutil.copytree(ten_games, tmp_path / "games")


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """A genuine sample beside the checkout; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        path = SHARED_DATA / name
        if not path.exists():
            pytest.skip(f"genuine sample {name} is not here")
        return path

    return find


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny LLaVA with random weights, saved as a Hugging Face folder."""
    from stages.init_model.build import build_model, build_processor
    from stages.init_model.plan import Body
    from stages.init_model.tokenizer import build_tokenizer

    folder = tmp_path_factory.mktemp("random-model")
    tokenizer, shape = build_tokenizer(), Body()
    build_model(shape, tokenizer, seed=3).save_pretrained(folder)
    build_processor(shape, tokenizer).save_pretrained(folder)
    return folder
