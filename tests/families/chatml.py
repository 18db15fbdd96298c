"""Families that use ChatML: Qwen2.5-VL and Qwen3-VL with a grid for each picture's size, InternVL with tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from tests.families.saving import TEXT, WIDTH, save
from tests.families.words import build_tokenizer, chat


def _chatml(picture: str) -> str:
    opened = "<|im_start|>"
    return chat(
        opened, picture, "<|im_end|>\n", f"{opened}assistant\n", names=("user\n", "assistant\n")
    )  # fmt: skip


def qwen_tokenizer(texts: Sequence[str] = ()) -> Any:
    return build_tokenizer(
        _chatml("<|vision_start|><|image_pad|><|vision_end|>"),
        eos="<|im_end|>",
        pad="<|endoftext|>",
        named={"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"},
        more=["<|im_start|>", "<|vision_start|>", "<|vision_end|>"],
        texts=texts,
    )


def _qwen_ids(tokenizer: Any) -> dict[str, int]:
    names = {"image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>"}
    names |= {"vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>"}
    return {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}


def _qwen_eos(tokenizer: Any) -> list[int]:
    return [tokenizer.eos_token_id, tokenizer.pad_token_id]


def build_qwen2_5_vl(folder: Path) -> Path:
    return qwen2_5_vl(folder)


def qwen2_5_vl(
    folder: Path,
    *,
    vision: Mapping[str, Any] | None = None,
    text: Mapping[str, Any] | None = None,
    dtype: torch.dtype | None = None,
    spread: float = 0.1,
    texts: Sequence[str] = (),
) -> Path:
    """Tiny unless `vision` and `text` say otherwise; drawn on torch's default device. `texts` train its tokenizer."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

    tokenizer = qwen_tokenizer(texts)
    limits = {"shortest_edge": 28 * 28, "longest_edge": 28 * 28 * (16 if vision is None else 256)}
    pictures = Qwen2VLImageProcessor(size=limits)
    processor = Qwen2_5_VLProcessor(
        pictures, tokenizer, Qwen2VLVideoProcessor(size=limits), chat_template=tokenizer.chat_template
    )
    eyes = {"hidden_size": 64, "intermediate_size": 128, "depth": 2, "num_heads": 2, "patch_size": 14}
    eyes |= {"window_size": 56, "fullatt_block_indexes": [1], "out_hidden_size": 64, **(vision or {})}
    mind = {name: value for name, value in TEXT.items() if name != "head_dim"} | {"vocab_size": len(tokenizer)}
    mind |= {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 6, 6]}}
    mind |= {**(text or {}), "bos_token_id": None, "eos_token_id": tokenizer.eos_token_id}
    config = Qwen2_5_VLConfig(vision_config=eyes, text_config=mind, **_qwen_ids(tokenizer))
    model = Qwen2_5_VLForConditionalGeneration(config).to(dtype or torch.float32)
    return save(folder, model, processor, _qwen_eos(tokenizer), spread)


def build_qwen3_vl(folder: Path) -> Path:
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

    tokenizer = qwen_tokenizer()
    pictures = Qwen2VLImageProcessor(patch_size=16, size={"shortest_edge": 32 * 32, "longest_edge": 32 * 32 * 16})
    processor = Qwen3VLProcessor(
        pictures, tokenizer, Qwen3VLVideoProcessor(), chat_template=tokenizer.chat_template
    )  # fmt: skip
    vision = {"hidden_size": 64, "intermediate_size": 128, "depth": 2, "num_heads": 2, "patch_size": 16}
    config = Qwen3VLConfig(
        vision_config={
            **vision,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0],
            "out_hidden_size": 64,
        },
        text_config={
            **TEXT,
            "vocab_size": len(tokenizer),
            # Interleaved, as the genuine models say: vLLM asks for it, transformers does so always.
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1e4,
                "mrope_section": [4, 6, 6],
                "mrope_interleaved": True,
            },
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
        },
        **_qwen_ids(tokenizer),
    )
    return save(folder, Qwen3VLForConditionalGeneration(config), processor, _qwen_eos(tokenizer))


def build_internvl(folder: Path) -> Path:
    from transformers import InternVLConfig, InternVLForConditionalGeneration, InternVLProcessor
    from transformers.models.got_ocr2.image_processing_got_ocr2 import GotOcr2ImageProcessor
    from transformers.models.internvl.video_processing_internvl import InternVLVideoProcessor

    named = {"start_image_token": "<img>", "end_image_token": "</img>"}
    named |= {"context_image_token": "<IMG_CONTEXT>", "video_token": "<video>"}
    tokenizer = build_tokenizer(
        _chatml("<IMG_CONTEXT>\n"), eos="<|im_end|>", pad="<|endoftext|>", named=named, more=["<|im_start|>"]
    )
    size = {"height": 32, "width": 32}
    processor = InternVLProcessor(
        GotOcr2ImageProcessor(size=size, crop_to_patches=True, min_patches=1, max_patches=4),
        tokenizer,
        InternVLVideoProcessor(size=size),
        image_seq_length=4,
        chat_template=tokenizer.chat_template,
    )
    config = InternVLConfig(
        vision_config={**WIDTH, "image_size": [32, 32], "patch_size": [8, 8]},
        text_config={
            **{name: value for name, value in TEXT.items() if name != "head_dim"},
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "bos_token_id": None,
            "eos_token_id": tokenizer.eos_token_id,
        },
        image_token_id=tokenizer.context_image_token_id,
        image_seq_length=4,
    )
    return save(folder, InternVLForConditionalGeneration(config), processor, [tokenizer.eos_token_id])
