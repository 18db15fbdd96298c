"""Families that vz was not written for: what it detects about them, and that they play."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from stages.core import vlm
from stages.core.engines.fit import Fit, check_fit
from stages.core.engines.local_policy import LocalPolicy
from stages.core.engines.processing import Processing
from stages.core.errors import InputError
from stages.core.folder.files import sha256_file
from stages.core.pictures import Picture
from stages.core.recipe import load
from stages.train.encode import Encoder
from tests.families.requests import requests
from tests.families.saving import TEXT, WIDTH, save
from tests.families.words import build_tokenizer, chat

RECIPE = load("tiny", ["model.dtype=float32", "model.device=cpu"]).model


def build_llava_next(folder: Path) -> Path:
    """Tiles on a grid of several shapes, padded to the batch's largest number."""
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaNextConfig,
        LlavaNextForConditionalGeneration,
        LlavaNextProcessor,
    )
    from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

    template = chat("", "<image>\n", " ", "ASSISTANT:", names=("USER: ", "ASSISTANT: "))
    tokenizer = build_tokenizer(template, eos="</s>", bos="<s>", pad="<pad>", named={"image_token": "<image>"})
    side, grid = {"height": 32, "width": 32}, [[32, 64], [64, 32], [64, 64]]
    processor = LlavaNextProcessor(
        LlavaNextImageProcessorPil(size={"shortest_edge": 32}, crop_size=side, image_grid_pinpoints=grid),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    config = LlavaNextConfig(
        vision_config=CLIPVisionConfig(**WIDTH, image_size=32, patch_size=8),
        text_config=LlamaConfig(**TEXT, vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id),
        image_token_index=tokenizer.image_token_id,
        image_grid_pinpoints=grid,
        image_seq_length=16,
    )
    return save(folder, LlavaNextForConditionalGeneration(config), processor, [tokenizer.eos_token_id])


def build_mllama(folder: Path) -> Path:
    """Pictures by cross-attention: a mask for every token of the prompt says which tiles it may look at."""
    from transformers import MllamaConfig, MllamaForConditionalGeneration, MllamaProcessor
    from transformers.models.mllama.image_processing_pil_mllama import MllamaImageProcessorPil

    template = chat("<head>", "<|image|>", "<|eot_id|>", "<head>assistant", names=("user", "assistant"))
    tokenizer = build_tokenizer(
        template, eos="</s>", bos="<s>", pad="<pad>", named={"image_token": "<|image|>"}, more=["<head>", "<|eot_id|>"]
    )
    pictures = MllamaImageProcessorPil(size={"height": 32, "width": 32}, max_image_tiles=4)
    text = {name: value for name, value in TEXT.items() if name != "head_dim"}
    config = MllamaConfig(
        vision_config={
            **{name: WIDTH[name] for name in ("hidden_size", "intermediate_size", "num_hidden_layers")},
            "attention_heads": 2,
            "num_global_layers": 1,
            "image_size": 32,
            "patch_size": 8,
            "max_num_tiles": 4,
            "vision_output_dim": 128,
            "intermediate_layers_indices": [0],
        },
        text_config={
            **text,
            "vocab_size": len(tokenizer),
            "cross_attention_layers": [1],
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
        },
        image_token_index=tokenizer.image_token_id,
    )
    model = MllamaForConditionalGeneration(config)
    for name, weight in model.named_parameters():
        if "gate" in name and weight.dim() == 1:  # which are closed at the start of training
            torch.nn.init.ones_(weight)
    return save(folder, model, MllamaProcessor(pictures, tokenizer, chat_template=template), [tokenizer.eos_token_id])


def parts(folder: Path) -> tuple[Any, Any]:
    return vlm.load_model(folder, RECIPE), vlm.load_processor(folder, RECIPE)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Picture]:
    for number, size in enumerate([(24, 24), (64, 20), (60, 64)]):
        Image.linear_gradient("L").resize(size).convert("RGB").save(tmp_path / f"{number}.png")
    return [Picture(tmp_path, f"{number}.png", sha256_file(tmp_path / f"{number}.png")) for number in range(3)]


def test_llava_next_supports_joining_and_sharing(tmp_path: Path):
    assert check_fit(*parts(build_llava_next(tmp_path)), "here") == Fit(joins=True, shares=True)


def test_mllama_falls_back_to_plain_computation_with_a_note(tmp_path: Path):
    fit = check_fit(*parts(build_mllama(tmp_path)), "here")
    assert (fit.joins, fit.shares) == (False, False)
    assert "vz prepares pictures again" in fit.notes[0] and "each sample computes its prompt again" in fit.notes[1]


@pytest.mark.parametrize("build", [build_llava_next, build_mllama])
def test_answers_in_a_batch_equal_answers_alone(build: Any, tmp_path: Path, pictures: list[Picture]):
    model = build(tmp_path / "model")
    policy = LocalPolicy(model, RECIPE, Processing(model, RECIPE))
    alone = [(policy.question(request, 900), 0) for request in requests(pictures, 1)]
    said = [policy.complete([row], torch.device("cpu"))[0] for row in alone]
    policy.fit = check_fit(policy.model, policy.processor, "here")
    together = policy.complete(alone, torch.device("cpu"))
    for one, other in zip(together, said, strict=True):
        assert one.token_ids == other.token_ids
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_a_family_with_unknown_per_token_inputs_is_refused_for_training(tmp_path: Path, pictures: Any):
    from stages.train.rows import Row, Rules

    processing = Processing(build_mllama(tmp_path / "model"), RECIPE)
    message = requests(pictures, 1)[0].messages
    row = Row(
        "played", "g", 0, 0, "clue", 1.0, "v", message, (pictures[0],), 1, "", [1], [0.0], False, Rules(0, 1.0), None
    )
    with pytest.raises(InputError, match="'cross_attention_mask' for each token .* can play, but not train"):
        Encoder(processing).prompt(row)
