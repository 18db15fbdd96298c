"""A recipe's missing requirements are reported with a remedy before games are made or weights are loaded."""

from __future__ import annotations

import json
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from stages import evaluate, iterate, rollout
from stages.core import vlm
from stages.core.errors import InputError
from stages.core.recipe import Recipe, load
from stages.core.vlm import arithmetic, needs
from stages.core.vlm.needs import check_models
from stages.doctor import examine_model
from tests.families.chatml import qwen_tokenizer

VISION = r"this family needs: pip install 'vz-selfplay\[vision\]'"
without_torchvision = pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is installed")


def recipe_of(model: Path, *overrides: str) -> Recipe:
    return load("tiny", ["model.device=cpu", f"model.path={model}", *overrides])


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vlm, "load_model", lambda *_, **__: pytest.fail("weights were loaded"))


@pytest.fixture
def qwen(tmp_path: Path) -> Path:
    """Configuration, processor and tokenizer files of a Qwen2.5-VL of the 7B's shape."""
    from transformers import Qwen2_5_VLConfig

    folder = tmp_path / "qwen"
    config = Qwen2_5_VLConfig(architectures=["Qwen2_5_VLForConditionalGeneration"])
    config.save_pretrained(folder)
    qwen_tokenizer().save_pretrained(folder)
    parts = {"image_processor": {"image_processor_type": "Qwen2VLImageProcessor"}}
    parts |= {"video_processor": {"video_processor_type": "Qwen2VLVideoProcessor"}}
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": "Qwen2_5_VLProcessor", **parts}))
    return folder


def verdicts(recipe: Recipe) -> dict[str, str]:
    return {finding.what: finding.verdict for finding in examine_model(recipe)}


def test_checks_load_no_weights(random_model: Path, no_weights: None):
    assert set(verdicts(recipe_of(random_model)).values()) == {"ok"}
    found = {finding.what: finding.found for finding in examine_model(recipe_of(random_model))}
    assert found["processor"].startswith("LlavaProcessor") and "LlavaForConditionalGeneration" in found["architecture"]


@without_torchvision
def test_qwen_without_torchvision_is_refused_by_every_command_before_any_work(
    qwen: Path, games: Path, tmp_path: Path, no_weights: None
):
    recipe, out = recipe_of(qwen, "game.clue_rounds=1"), tmp_path / "out"
    assert verdicts(recipe) == {"device": "ok", "processor": "fail", "architecture": "ok"}
    (failed,) = [finding for finding in examine_model(recipe) if finding.verdict == "fail"]
    assert failed.found.endswith("requires the Torchvision library but it was not found in your environment")
    assert failed.remedy.startswith("this family needs: pip install 'vz-selfplay[vision]'")
    for work in (
        lambda: iterate.run(recipe, out),  # which would make its own games
        lambda: iterate.run(recipe, out, games=games),
        lambda: rollout.run(recipe, games, out, split=None),
        lambda: evaluate.run(recipe, games, out),
    ):
        with pytest.raises(InputError, match=VISION):
            work()
        assert not out.exists()


def test_the_named_extra_contains_the_missing_packages():
    listed = [line for line in metadata.requires("vz-selfplay") or [] if 'extra == "vision"' in line]
    pyproject = (Path(__file__).resolve().parents[3] / "pyproject.toml").read_text()
    (line,) = [line for line in pyproject.splitlines() if line.startswith("vision = ")]
    assert "torchvision" in line and "num2words" in line
    assert not listed or len(listed) == 2  # an installation older than the extra lists none


@pytest.mark.parametrize(
    ("overrides", "what", "said"),
    [
        (["model.device=cuda"], "device", "torch sees no GPU"),
        (["model.attention=flash_attention_2"], "architecture", "pip install flash-attn"),
        (["model.max_pixels=9000"], "processor", "has no such limit"),
        (["model.chat_template_options={thinks: true}"], "processor", "does not use 'thinks'"),
        (["rollout.engine=vllm", "deterministic=false"], "vLLM", r"pip install 'vz-selfplay\[vllm\]'"),
    ],
)
def test_missing_devices_and_packages_are_reported(overrides: list[str], what: str, said: str, random_model: Path):
    import torch

    if (what == "vLLM" and find_spec("vllm")) or (what == "device" and torch.cuda.is_available()):
        pytest.skip("this machine has it")
    recipe = recipe_of(random_model, *overrides)
    assert verdicts(recipe)[what] == "fail"
    with pytest.raises(InputError, match=said):
        check_models(recipe, [random_model])


@pytest.mark.parametrize("has_instructions", [False, True])
def test_slow_bfloat16_is_said_with_settings_that_are_faster(
    has_instructions: bool, random_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    import torch

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "amx_bf16": has_instructions})
    arithmetic._say.cache_clear()
    recipe = recipe_of(random_model, "model.dtype=bfloat16", "train.precision=bf16")
    for _ in range(2):
        check_models(recipe, [random_model])
    assert capsys.readouterr().err.count("model.dtype=float32 and train.precision=fp32") == (not has_instructions)
    (device,) = (finding.found for finding in examine_model(recipe) if finding.what == "device")
    assert ("slow" in device) == (not has_instructions)
    arithmetic._say.cache_clear()
    faster = recipe_of(random_model, *arithmetic.slow_settings(recipe))
    check_models(faster, [random_model])
    assert not arithmetic.slow_settings(faster) and not capsys.readouterr().err


def test_a_model_without_a_vision_tower_is_refused(random_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from transformers import LlamaConfig

    LlamaConfig().save_pretrained(tmp_path / "llama")
    monkeypatch.setattr(needs.vlm, "load_processor", lambda *_: object())
    with pytest.raises(InputError, match=r"llama: cannot be built as a model: Unrecognized configuration class"):
        check_models(recipe_of(tmp_path / "llama"), [tmp_path / "llama"])


@pytest.mark.skipif(find_spec("timm") is not None, reason="timm is installed")
def test_packages_that_a_model_needs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from transformers import Gemma3nConfig

    Gemma3nConfig(vision_config={"model_type": "gemma3n_vision"}).save_pretrained(tmp_path / "gemma")
    monkeypatch.setattr(needs.vlm, "load_processor", lambda *_: object())
    with pytest.raises(InputError, match="this model needs: pip install timm"):
        check_models(recipe_of(tmp_path / "gemma"), [tmp_path / "gemma"])


@pytest.mark.parametrize(
    ("overrides", "missing", "said"),
    [
        (["train.accelerate_config=nowhere"], None, "train.accelerate_config: nowhere: no such file"),
        ([], "trl", r"the package 'trl', which is not installed: pip install 'vz-selfplay\[train\]'"),
    ],
)
def test_training_requirements_are_checked_before_games_are_made(
    overrides: list[str],
    missing: str | None,
    said: str,
    random_model: Path,
    tmp_path: Path,
    no_weights: None,
    monkeypatch: pytest.MonkeyPatch,
):
    from stages.train import live

    monkeypatch.setattr(live, "find_spec", lambda name: None if name == missing else find_spec(name))
    with pytest.raises(InputError, match=said):
        iterate.run(recipe_of(random_model, *overrides), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_served_and_fake_policies_load_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(needs.vlm, "load_processor", lambda *_: pytest.fail("nothing is to be loaded"))
    served: Any = load("tiny", ["rollout.engine=server"])
    check_models(served, ["owner/model"])
    check_models(load("tiny"), ["http://localhost:8000/v1#model"])
    check_models(load("tiny", ["rollout.engine=fake"]), ["owner/model"])
