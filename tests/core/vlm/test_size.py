"""Sizes from a configuration are those of the model that it makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.core import vlm
from stages.core.errors import InputError
from stages.core.recipe import load
from stages.core.vlm.size import size_of
from stages.train.adapter import with_adapter
from stages.train.policy import trainable
from tests.core.estimate.configs import qwen_7b

TINY = load("tiny", ["model.lora={rank: 4}"]).model


def test_weights_are_those_of_the_loaded_model():
    size, model = size_of("tiny-model", TINY), vlm.load_model("tiny-model", TINY, device="cpu")
    assert size.weights == sum(weight.numel() for weight in model.parameters())
    assert size.language.weights == sum(weight.numel() for weight in model.get_decoder().layers.parameters())
    assert (size.language.layers, size.language.hidden, size.language.inner, size.head) == (3, 128, 256, 0)
    assert size.vision is not None and size.vision.layers == 2 and size.patch == 3 * 24 * 24


def test_an_adapter_has_as_many_weights_as_peft_gives_it():
    for lora in ("{rank: 4}", "{rank: 4, target_modules: [q_proj, down_proj]}"):
        recipe = load("tiny", [f"model.lora={lora}"]).model
        assert recipe.lora is not None
        policy = with_adapter(vlm.load_model("tiny-model", recipe, device="cpu"), recipe.lora, 0)
        own = sum(weight.numel() for name, weight in policy.named_parameters() if "lora_" in name)
        adapter = size_of("tiny-model", recipe).adapter
        assert adapter is not None and adapter.weights == own == sum(w.numel() for w in trainable(policy).values())


def test_qwen_7b_has_the_published_number_of_weights(tmp_path: Path):
    size = size_of(qwen_7b(tmp_path), TINY)
    assert 2 * size.weights == 16_584_333_312  # bytes in bf16, as the repository's index of shards says


def test_a_configuration_that_cannot_be_had_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        InputError, match=r"nobody/nothing: memory and time cannot be estimated.*give a folder with its config"
    ):
        size_of("nobody/nothing", TINY)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="cannot be estimated"):
        size_of(tmp_path, TINY)


def test_a_model_of_experts_alone_counts_the_experts_that_a_token_visits(tmp_path: Path):
    """Such as Qwen3.5's, whose configuration has no width for layers without experts."""
    from transformers import Qwen3_5MoeConfig

    text = {"hidden_size": 64, "num_hidden_layers": 2, "num_experts": 8, "num_experts_per_tok": 2, "vocab_size": 128}
    text |= {"moe_intermediate_size": 32, "shared_expert_intermediate_size": 48}
    kind = "Qwen3_5MoeForConditionalGeneration"
    Qwen3_5MoeConfig(text_config=text, vision_config={"depth": 1}, architectures=[kind]).save_pretrained(tmp_path)
    assert size_of(tmp_path, TINY).language.inner == 2 * 32 + 48
