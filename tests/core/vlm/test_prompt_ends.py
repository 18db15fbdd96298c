"""Prompts begin with one <s> and end where the answer begins, whatever a tokenizer adds to a text."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from stages.core import vlm
from stages.core.vlm.prompts import prompt_ids
from tests.core.vlm.processors import PLAIN, build_processor

PICTURE = Image.new("RGB", (32, 32))
IMAGE_PART = {"type": "image", "text": None}


def message(*words: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [IMAGE_PART, *({"type": "text", "text": word} for word in words)]}]


@pytest.mark.parametrize("template", [PLAIN, f"<s>{PLAIN}"], ids=["plain", "with bos"])
def test_a_tokenizer_that_appends_eos_to_every_text_gives_the_prompts_of_one_that_does_not(template: str):
    appending, usual = build_processor(template, append_eos=True), build_processor(template)
    prompts, pictures = [message("red"), message("red", "cube", "red")], [[PICTURE], [PICTURE]]
    bos, opening = usual.tokenizer.bos_token_id, usual.tokenizer("ASSISTANT:", add_special_tokens=False)["input_ids"]
    made = vlm.encode(appending, prompts, pictures)
    assert made["input_ids"].shape == made["attention_mask"].shape
    rows = [ids[mask.bool()].tolist() for ids, mask in zip(made["input_ids"], made["attention_mask"], strict=True)]
    for prompt, row in zip(prompts, rows, strict=True):
        bare = vlm.encode_one(usual, prompt, [PICTURE]).ids
        assert row == vlm.encode_one(appending, prompt, [PICTURE]).ids
        assert row == [bos, *bare[1:]] if template.startswith("<s>") else [bos, *bare]
        assert row[-len(opening) :] == opening
        # vLLM's engine has the text's ids alone, with one mark for the picture.
        image = usual.image_token_id
        marked = [token for place, token in enumerate(row) if token != image or row[place - 1] != image]
        assert prompt_ids(appending, prompt) == marked


def test_a_tokenizer_that_drops_unknown_letters_works():
    from tokenizers.models import BPE

    plain, appending = build_processor(), build_processor(append_eos=True)
    for processor in (plain, appending):
        backend = processor.tokenizer._tokenizer
        known = {token: number for token, number in backend.get_vocab().items() if "a" not in token}
        backend.model = BPE(known | {"1": len(backend.get_vocab())}, [])
    bare = vlm.encode_one(plain, message("1"), [PICTURE]).ids
    assert vlm.encode_one(appending, message("1"), [PICTURE]).ids == [plain.tokenizer.bos_token_id, *bare]


def test_token_types_are_cut_like_the_tokens():
    processor = build_processor(append_eos=True)
    processor.tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    prompt = vlm.encode_one(processor, message("red"), [PICTURE])
    assert all(len(types) == len(prompt.ids) for types in prompt.types.values())
