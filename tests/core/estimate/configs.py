"""Configurations of published models, without weights."""

from __future__ import annotations

from pathlib import Path


def qwen_7b(folder: Path) -> Path:
    """The shape of Qwen2.5-VL-7B-Instruct."""
    from transformers import Qwen2_5_VLConfig

    from tests.rollout.bench_gpu import SEVEN_BILLION

    text = {**SEVEN_BILLION["text"], "tie_word_embeddings": False}
    config = Qwen2_5_VLConfig(
        vision_config=SEVEN_BILLION["vision"], text_config=text, tie_word_embeddings=False,
        architectures=["Qwen2_5_VLForConditionalGeneration"],
    )  # fmt: skip
    config.save_pretrained(folder)
    return folder
