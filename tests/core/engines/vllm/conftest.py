"""One vLLM engine for many tests: it takes its time to start. All of these run in the environment of `make test-vllm`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.core.folder.files import read_json, write_json
from stages.core.recipe import Recipe, load
from stages.core.recipe.load import shared_folder
from tests.core.engines.vllm.world import VLLM, Asker, build_model, write_pictures


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="session")
def vllm_recipe() -> Recipe:
    pytest.importorskip("vllm", reason="needs vLLM: make test-vllm")
    return load("tiny", VLLM)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other weights of the same shape."""
    return build_model(tmp_path_factory.mktemp("other-model"), seed=1)


@pytest.fixture(scope="session")
def asker(vllm_recipe: Recipe, model: Path, pictures: Path) -> Iterator[Asker]:
    from stages.core.engines.vllm import VllmEngine

    with VllmEngine(vllm_recipe) as engine:
        engine.load("current", model, "v1")
        yield Asker(engine, vllm_recipe, pictures)


@pytest.fixture(scope="session")
def trained_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model, which says readable things, with the picture features that vLLM computes rightly."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    shutil.copytree(shared_folder("data") / "tiny-model", folder)
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", config | {"vision_feature_layer": -2})
    return folder
