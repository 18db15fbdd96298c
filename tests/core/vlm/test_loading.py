"""Errors of loading: repositories with their own code, unknown pixel limits, processors of another kind."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stages.core import vlm
from stages.core.errors import InputError
from stages.core.recipe import load
from stages.core.vlm.loading import load_model, load_skeleton


def model_recipe(*overrides: str):
    return load("tiny", ["model.device=cpu", *overrides]).model


@pytest.fixture
def own_code(tmp_path: Path) -> Path:
    """What OpenGVLab/InternVL3-8B says of itself."""
    config = {"model_type": "internvl_chat", "auto_map": {"AutoModel": "modeling_internvl_chat.InternVLChatModel"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_a_repository_with_its_own_code_is_refused_with_an_alternative(own_code: Path):
    for loading in (vlm.load_model, vlm.load_processor):
        with pytest.raises(
            InputError, match=r"'internvl_chat' is code in its own repository.*OpenGVLab/InternVL3-8B-hf"
        ):
            loading(own_code, model_recipe())


@pytest.mark.parametrize(
    ("name", "native"),
    [
        ("OpenGVLab/InternVL3-2B", "OpenGVLab/InternVL3-2B-hf"),
        ("Qinsi1/Vision-Zero-InternVL3-14B-Clevr", "OpenGVLab/InternVL3-8B-hf"),  # has no such repository of its own
    ],
)
def test_a_native_model_on_the_hub_is_named(name: str, native: str, own_code: Path, monkeypatch: pytest.MonkeyPatch):
    from transformers import PreTrainedConfig

    config = json.loads((own_code / "config.json").read_text())
    monkeypatch.setattr(PreTrainedConfig, "get_config_dict", lambda *_, **__: (config, {}))
    with pytest.raises(InputError, match=rf"end in -hf: {native}$"):
        vlm.load_processor(name, model_recipe())


def test_any_repository_with_its_own_code_is_refused(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "molmo", "auto_map": {"AutoModel": "m.Molmo"}}))
    with pytest.raises(InputError, match="'molmo' is code in its own repository.*supports natively"):
        vlm.load_model(tmp_path, model_recipe())


def test_a_pixel_limit_that_the_processor_does_not_know_is_refused(random_model: Path):
    with pytest.raises(InputError, match=r"model.max_pixels: .* has no such limit.*model.max_pixels=null.*\(.*size\)"):
        vlm.load_processor(random_model, model_recipe("model.max_pixels=5000"))


def test_a_processor_without_chat_templates_is_refused(random_model: Path, monkeypatch: pytest.MonkeyPatch):
    from transformers import AutoProcessor

    class Bare:
        tokenizer = image_processor = object()

    monkeypatch.setattr(AutoProcessor, "from_pretrained", lambda *_, **__: Bare())
    with pytest.raises(InputError, match="Bare has no apply_chat_template"):
        vlm.load_processor(random_model, model_recipe())


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    random_model: Path, monkeypatch: pytest.MonkeyPatch
):
    from transformers import AutoProcessor

    def fails(*_: object, **__: object) -> None:
        raise ImportError("\nX requires the Torchvision library but it was not found")

    monkeypatch.setattr(AutoProcessor, "from_pretrained", fails)
    with pytest.raises(InputError, match=r"this family needs: pip install 'vz-selfplay\[vision\]'"):
        vlm.load_processor(random_model, model_recipe())


def test_models_are_built_one_at_a_time(random_model: Path):
    # A run that plays ahead loads the policy in one thread while another checks what it will train. transformers
    # then mixed them up: weights that are tied lost their partner, and were drawn at random.
    recipe = model_recipe()
    with ThreadPoolExecutor(2) as threads:
        made = [threads.submit(build, random_model, recipe) for _ in range(4) for build in (load_model, load_skeleton)]
    whole = [each.result() for each in made]
    assert all(one.get_output_embeddings().weight is one.get_input_embeddings().weight for one in whole)
