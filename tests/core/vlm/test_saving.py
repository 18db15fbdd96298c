"""Weights are written as the base stores them, even if transformers would store them in another form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from stages.core.vlm.saving import save_like


def build_experts(folder: Path) -> dict[str, torch.Tensor]:
    """A Qwen3-VL with experts whose files are in the published form: input × output, the transpose of the model's."""
    from transformers import Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration

    width = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2}
    eyes = {"hidden_size": 32, "intermediate_size": 64, "depth": 1, "num_heads": 2, "patch_size": 16}
    eyes |= {"num_position_embeddings": 16, "deepstack_visual_indexes": [0], "out_hidden_size": 32}
    text = {**width, "num_hidden_layers": 1, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 40}
    text |= {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 24}
    Qwen3VLMoeForConditionalGeneration(Qwen3VLMoeConfig(vision_config=eyes, text_config=text)).save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    published = {
        name: weight.transpose(1, 2).contiguous() if ".experts." in name else weight for name, weight in weights.items()
    }
    save_file(published, folder / "model.safetensors", metadata={"format": "pt"})
    return published


def test_fused_experts_keep_their_published_shape(tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText

    published = build_experts(tmp_path / "base")
    model: Any = AutoModelForImageTextToText.from_pretrained(tmp_path / "base")
    (tmp_path / "out").mkdir()
    save_like(model, tmp_path / "base", tmp_path / "out")
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert written.keys() == published.keys()
    assert all(torch.equal(weight, written[name]) for name, weight in published.items())
