"""Tokens that end answers and stand for pictures, as families declare them: here by hand, in tests/families for real."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from transformers import GenerationConfig, LlavaConfig

from stages.core import vlm
from stages.core.errors import InputError
from tests.families.words import build_tokenizer, chat

TURN = chat("<turn>", "<picture>", "<end_turn>\n", "<turn>assistant", names=("user", "assistant"))
PLAIN = chat("", "<picture>", " ", "ASSISTANT:", names=("USER:", "ASSISTANT:"))


def processor_of(template: str, eos: str = "</s>", **named: str) -> Any:
    tokenizer = build_tokenizer(template, eos=eos, pad="<pad>", named=named, more=["<turn>", "<end_turn>"])

    def apply(messages: Any, **options: Any) -> str:
        options.pop("processor_kwargs", None)
        return tokenizer.apply_chat_template(messages, chat_template=template, **options)

    return SimpleNamespace(tokenizer=tokenizer, apply_chat_template=apply)


def test_the_token_that_ends_a_turn_ends_an_answer_though_nothing_declares_it():
    processor = processor_of(TURN)
    ends = processor.tokenizer.convert_tokens_to_ids(["</s>", "<end_turn>"])
    assert vlm.stop_tokens(GenerationConfig(eos_token_id=ends[0]), processor) == sorted(ends)


def test_a_template_that_writes_no_token_after_an_answer_adds_none():
    processor = processor_of(PLAIN)
    assert vlm.stop_tokens(GenerationConfig(eos_token_id=[7, 9]), processor) == sorted(
        {7, 9, processor.tokenizer.eos_token_id}
    )


def test_a_model_without_any_such_token_is_an_error():
    processor = processor_of(PLAIN)
    processor.tokenizer.eos_token = None
    with pytest.raises(InputError, match="eos_token_id"):
        vlm.stop_tokens(GenerationConfig(), processor)


def test_placeholders_are_found_by_the_names_that_configurations_and_processors_use():
    config = LlavaConfig(image_token_index=3)
    config.video_token_id, config.vision_start_token_id, config.boi_token_index = 41, 42, 43
    config.eoi_token_index, config.bos_token_id, config.decoder_start_token_id = 44, 45, 46
    assert vlm.placeholder_tokens(config) == [3, 41, 42, 43, 44]
    processor = processor_of(PLAIN, image_token="<picture>", boi_token="<open>", start_image_token="<first>")
    processor.fake_image_token, processor.image_token_ids = "<turn>", [None, 50]
    named = processor.tokenizer.convert_tokens_to_ids(["<picture>", "<open>", "<first>", "<turn>"])
    assert vlm.placeholder_tokens(config, processor) == sorted({3, 41, 42, 43, 44, 50, *named})


def test_what_the_generation_config_suppresses_is_never_said():
    model = SimpleNamespace(config=LlavaConfig(image_token_index=3), generation_config=GenerationConfig())
    model.generation_config.suppress_tokens = [8, 9]
    assert vlm.placeholder_tokens(model) == [3, 8, 9]
