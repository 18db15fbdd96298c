"""LoRA on a mixture of experts: a warning names what an adapter does not reach; `target_parameters` reaches it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.core import vlm
from stages.core.recipe import Recipe
from stages.train import run
from tests.train.world import World, build_llava, make_world, recipe, tensors

REMEDY = r"set model\.lora\.target_parameters=\[(.*)\]"


def build_mixture(folder: Path) -> Path:
    """The tiny LLaVA with a language model of experts that are fused into single weights."""
    from transformers import AutoConfig, LlavaForConditionalGeneration, Qwen3MoeConfig

    build_llava(folder)
    config = AutoConfig.from_pretrained(folder)
    text = {
        name: getattr(config.text_config, name)
        for name in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    }
    ids = {name: getattr(config.text_config, name) for name in ("pad_token_id", "eos_token_id", "bos_token_id")}
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "head_dim": 16}
    config.text_config = Qwen3MoeConfig(**text, **ids, **experts, tie_word_embeddings=True)
    torch.manual_seed(0)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> World:
    folder = tmp_path_factory.mktemp("mixture")
    return make_world(folder, build_mixture(folder / "model"), pictures, 5)


def adapted(world: World, **changes: Any) -> Recipe:
    made = recipe(world.model, lora=True)
    assert made.model.lora is not None
    lora = made.model.lora.model_copy(update=changes)
    return made.model_copy(update={"model": made.model.model_copy(update={"lora": lora, "dtype": "float32"})})


def missed_share(folder: Path) -> float:
    """Experts and routers beside all matrices of the language model's layers, by the sizes in the file."""
    from safetensors.torch import load_file

    inside = {
        name: weight.numel()
        for name, weight in load_file(folder / "model.safetensors").items()
        if "language_model" in name and ".layers." in name and weight.dim() > 1
    }
    missed = [size for name, size in inside.items() if ".experts." in name or name.endswith("mlp.gate.weight")]
    return sum(missed) / sum(inside.values())


def test_all_linear_warns_about_experts_and_the_remedy_trains_them(mixture: World, tmp_path: Path) -> None:
    first = run(adapted(mixture), mixture.kept, tmp_path / "one")
    (warning,) = [text for text in first.warnings if "does not reach" in text]
    found = re.search(REMEDY, warning)
    assert found and f"does not reach {missed_share(mixture.model):.0%} of the language model's weights" in warning
    targets = found[1].split(", ")
    assert targets == ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]
    second = run(adapted(mixture, target_parameters=targets), mixture.kept, tmp_path / "two")
    assert not [text for text in second.warnings if "does not reach" in text]
    moved = {
        name
        for name, weight in tensors(tmp_path / "two-state").items()
        if "lora_B" in name and name.startswith("weight/") and bool(weight.any())
    }
    assert any(".experts." in name and "base_layer" in name for name in moved)
    assert any(name.endswith(".experts.lora_B.default.weight") for name in moved)


def test_an_adapter_of_experts_plays_as_it_trained_and_continues(mixture: World, tmp_path: Path) -> None:
    settings = adapted(mixture, target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj"])
    first = run(settings, mixture.kept, tmp_path / "one")
    policy: Any = vlm.load_model(first.out, settings.model)
    master = tensors(tmp_path / "one-state")
    weights = {name: weight for name, weight in policy.named_parameters() if "lora_" in name}
    assert {f"weight/{name}" for name in weights} == {name for name in master if name.startswith("weight/")}
    assert all(torch.equal(master[f"weight/{name}"], weight) for name, weight in weights.items())
    rows = make_world(tmp_path / "rows", mixture.model, mixture.games, 5, policy=first.out)
    second = run(settings, rows.kept, tmp_path / "two", model=first.out, state_in=tmp_path / "one-state")
    assert second.counts["run_updates"] == 2 and second.counts["off_policy_rows"] == 0
    assert second.counts["logprob_gap_max"] < 1e-4


def test_few_target_modules_warn_too(played: World, tmp_path: Path) -> None:
    report = run(adapted(played, target_modules=["q_proj"]), played.kept, tmp_path / "out")
    (warning,) = [text for text in report.warnings if "does not reach" in text]
    assert warning.endswith("set model.lora.target_modules=all-linear")
    whole = run(adapted(played), played.kept, tmp_path / "whole")
    assert not [text for text in whole.warnings if "does not reach" in text]
