"""The families that are tested, each with a tiny random model: real classes, special tokens, tiles and grids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from tests.families.chatml import build_internvl, build_qwen2_5_vl, build_qwen3_vl
from tests.families.saving import TEXT, WIDTH, save
from tests.families.tiled import build_idefics3, build_smolvlm
from tests.families.words import build_tokenizer, chat


@dataclass(frozen=True)
class Family:
    """A family of models, and what its tests need to know that vz finds out by itself."""

    name: str
    make: Callable[[Path], Path]
    stop: tuple[str, ...]  # the tokens that end an answer
    never: tuple[str, ...]  # the tokens that no answer may hold
    other_limit: dict[str, Any]  # recipe settings of the model under which a picture becomes other tokens
    needs: tuple[str, ...] = ()  # packages beyond transformers and Pillow

    def build(self, folder: Path) -> Path:
        """Model and processor in `folder`; the same weights each time."""
        torch.manual_seed(0)
        return self.make(folder)

    def is_usable(self) -> bool:
        return all(find_spec(package) is not None for package in self.needs)


def build_llava(folder: Path) -> Path:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    template = chat("", "<image>\n", " ", "ASSISTANT:", names=("USER: ", "ASSISTANT: "))
    tokenizer = build_tokenizer(template, eos="</s>", bos="<s>", pad="<pad>", named={"image_token": "<image>"})
    side = {"height": 32, "width": 32}
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size=side, crop_size=side),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**WIDTH, image_size=32, patch_size=8),
        text_config=LlamaConfig(**TEXT, vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id),
        image_token_index=tokenizer.image_token_id,
        image_seq_length=16,
    )
    return save(folder, LlavaForConditionalGeneration(config), processor, [tokenizer.eos_token_id])


def build_gemma3(folder: Path) -> Path:
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3Processor
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    template = chat(
        "<start_of_turn>", "<start_of_image>", "<end_of_turn>\n", "<start_of_turn>model\n",
        start="<bos>", names=("user\n", "model\n"),
    )  # fmt: skip
    named = {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>", "eoi_token": "<end_of_image>"}
    tokenizer = build_tokenizer(
        template, eos="<eos>", bos="<bos>", pad="<pad>", named=named, more=["<start_of_turn>", "<end_of_turn>"]
    )
    processor = Gemma3Processor(
        Gemma3ImageProcessorPil(size={"height": 32, "width": 32}),
        tokenizer,
        chat_template=template,
        image_seq_length=4,
    )
    config = Gemma3Config(
        vision_config={**WIDTH, "image_size": 32, "patch_size": 8, "vision_use_head": False},
        text_config={
            **TEXT,
            "vocab_size": len(tokenizer),
            "query_pre_attn_scalar": 32,
            "sliding_window": 16,  # shorter than any prompt, so that both kinds of layers have to get it right
            "layer_types": ["sliding_attention", "full_attention"],
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "bos_token_id": tokenizer.bos_token_id,
        },
        mm_tokens_per_image=4,
        image_token_index=tokenizer.image_token_id,
        boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id,
    )
    ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<end_of_turn>")]
    return save(folder, Gemma3ForConditionalGeneration(config), processor, ends)


_MARKS = ("<image>", "<fake_token_around_image>", "<global-img>")
_VISION = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
_IN_TILES = {"processor": {"size": {"longest_edge": 32}}}

FAMILIES = (
    Family("llava", build_llava, ("</s>",), ("<image>",), {"processor": {"num_additional_image_tokens": 2}}),
    Family("idefics3", build_idefics3, ("<|end_of_text|>", "<end_of_utterance>"), _MARKS, _IN_TILES),
    Family(
        "gemma3",
        build_gemma3,
        ("<eos>", "<end_of_turn>"),
        ("<image_soft_token>", "<start_of_image>", "<end_of_image>"),
        {"processor": {"image_seq_length": 9}},
    ),
    Family("smolvlm", build_smolvlm, ("<end_of_utterance>",), _MARKS, _IN_TILES, ("torchvision", "num2words")),
    Family(
        "internvl",
        build_internvl,
        ("<|im_end|>",),
        ("<img>", "</img>", "<IMG_CONTEXT>", "<video>"),
        {"processor": {"max_patches": 2}},
        ("torchvision",),
    ),
    Family(
        "qwen2_5_vl",
        build_qwen2_5_vl,
        ("<|im_end|>", "<|endoftext|>"),
        _VISION,
        {"max_pixels": 28 * 28 * 2},
        ("torchvision",),
    ),
    Family(
        "qwen3_vl",
        build_qwen3_vl,
        ("<|im_end|>", "<|endoftext|>"),
        _VISION,
        {"max_pixels": 32 * 32 * 2},
        ("torchvision",),
    ),
)
