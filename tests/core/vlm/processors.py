"""LLaVA's processor with a tokenizer and chat template for tests; no weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.families.words import build_tokenizer, chat

IMAGE = "<image>"
PLAIN = chat("", f"{IMAGE}\n", " ", "ASSISTANT:", names=("USER:", "ASSISTANT:"))
TEXT_ONLY = "{% for m in messages %}USER: {{ m.content }} {% endfor %}ASSISTANT:"


def build_processor(
    template: str = PLAIN, *, picture: str = IMAGE, more: tuple[str, ...] = (), append_eos: bool = False
) -> Any:
    """`more` special tokens have no name that tells of pictures; `append_eos` puts <s> and </s> around every text."""
    from tokenizers.processors import TemplateProcessing
    from transformers import LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = build_tokenizer(
        template, eos="</s>", bos="<s>", pad="<pad>", named={"image_token": picture}, more=("<turn>", *more)
    )
    if append_eos:
        ends = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("<s>", "</s>")]
        tokenizer._tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    side = {"height": 32, "width": 32}
    return LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size=side, crop_size=side),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )


def saved(processor: Any, folder: Path) -> Path:
    processor.save_pretrained(folder)
    return folder
