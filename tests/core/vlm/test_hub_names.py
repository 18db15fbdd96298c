"""Models on the hub whose files name code of their own: it never runs, and vz asks nothing on standard input."""

import builtins
import json
import shutil
import sys
from pathlib import Path

import pytest

from stages.core import vlm
from stages.core.errors import InputError
from stages.core.recipe import load
from tests.core.vlm.spoilt import AUTO_MAP, CODE, GOOD

COMMIT = "a1" * 20
FILES = ["config.json", "processor_config.json", "tokenizer_config.json", "generation_config.json"]


def publish(name: str, file: str, change: dict[str, object], cache: Path) -> None:
    """Put the good model into the hub's cache under this name, with code, and with a changed file."""
    place = cache / f"models--{name.replace('/', '--')}"
    snapshot = place / "snapshots" / COMMIT
    shutil.copytree(GOOD, snapshot, ignore=shutil.ignore_patterns("manifest.json"))
    (place / "refs").mkdir()
    (place / "refs/main").write_text(COMMIT)
    (snapshot / "code.py").write_bytes(CODE)
    (snapshot / file).write_text(json.dumps({**json.loads((snapshot / file).read_text()), **change}))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, without a network, where nobody answers questions."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(builtins, "input", lambda *_: pytest.fail("asks a question"))
    monkeypatch.setattr(sys, "stdin", None)
    return tmp_path


@pytest.mark.parametrize("file", FILES)
def test_classes_of_transformers_are_used_instead_of_a_models_own(file: str, cache: Path):
    publish("o/n", file, {"auto_map": AUTO_MAP}, cache)
    vlm.load_processor("o/n", load("tiny", ["model.device=cpu"]).model)
    assert not list(cache.rglob("ran"))


@pytest.mark.parametrize(
    ("file", "key", "message"),
    [
        ("config.json", "model_type", "o/n: its model type 'X' is code in its own repository, which vz does not run"),
        ("processor_config.json", "processor_class", "o/n.* it is code in its own repository, which vz does not run"),
    ],
)
def test_classes_that_transformers_lacks_are_refused(file: str, key: str, message: str, cache: Path):
    publish("o/n", file, {"auto_map": AUTO_MAP, key: "X"}, cache)
    with pytest.raises(InputError, match=message):
        vlm.load_processor("o/n", load("tiny", ["model.device=cpu"]).model)
    assert not list(cache.rglob("ran"))
