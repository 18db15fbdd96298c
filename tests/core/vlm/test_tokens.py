"""Tokens that end answers or stand for pictures, declared by hand here; tests/families has the real declarations."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from transformers import GenerationConfig, LlavaConfig

from stages.core import vlm
from stages.core.errors import InputError
from stages.train.logprobs import Tokens
from tests.core.vlm.processors import IMAGE, build_processor
from tests.families.words import build_tokenizer, chat

TURN = chat("<turn>", "<picture>", "<end_turn>\n", "<turn>assistant", names=("user", "assistant"))
PLAIN = chat("", "<picture>", " ", "ASSISTANT:", names=("USER:", "ASSISTANT:"))


def processor_of(template: str, eos: str = "</s>", **named: str) -> Any:
    tokenizer = build_tokenizer(template, eos=eos, pad="<pad>", named=named, more=["<turn>", "<end_turn>"])

    def apply(messages: Any, **options: Any) -> str:
        options.pop("processor_kwargs", None)
        return tokenizer.apply_chat_template(messages, chat_template=template, **options)

    return SimpleNamespace(tokenizer=tokenizer, apply_chat_template=apply)


def test_an_undeclared_token_that_ends_a_turn_ends_answers():
    processor = processor_of(TURN)
    ends = processor.tokenizer.convert_tokens_to_ids(["</s>", "<end_turn>"])
    assert vlm.stop_tokens(GenerationConfig(eos_token_id=ends[0]), processor) == sorted(ends)


def test_a_template_without_a_token_after_answers_adds_none():
    processor = processor_of(PLAIN)
    assert vlm.stop_tokens(GenerationConfig(eos_token_id=[7, 9]), processor) == sorted(
        {7, 9, processor.tokenizer.eos_token_id}
    )


def test_a_model_without_stop_tokens_is_refused():
    processor = processor_of(PLAIN)
    processor.tokenizer.eos_token = None
    with pytest.raises(InputError, match="eos_token_id"):
        vlm.stop_tokens(GenerationConfig(), processor)


def config_of(processor: Any, **more: int) -> LlavaConfig:
    config = LlavaConfig(image_token_index=processor.image_token_id)
    for name, value in more.items():
        setattr(config, name, value)
    return config


def test_declared_picture_video_and_sound_tokens_are_suppressed():
    processor = build_processor(more=("<film>", "<open>", "<shut>"))
    film, opened, _ = ids = processor.tokenizer.convert_tokens_to_ids(["<film>", "<open>", "<shut>"])
    processor.fake_image_token = "<shut>"
    config = config_of(
        processor, video_token_id=film, boi_token_index=opened, bos_token_id=processor.tokenizer.bos_token_id
    )
    assert vlm.placeholder_tokens(config, processor) == sorted([processor.image_token_id, *ids])
    model = SimpleNamespace(config=config)
    assert vlm.placeholder_tokens(model, processor) == vlm.placeholder_tokens(config, processor)


def test_numbers_named_like_token_ids_suppress_no_word():
    processor = build_processor()
    red, cube, sphere = processor.tokenizer.convert_tokens_to_ids(["red", "cube", "sphere"])
    processor.audio_ms_per_token, processor.num_image_token = red, red  # Gemma 4 has the first
    config = config_of(processor, video_token_id=cube, vision_soft_tokens_per_image=sphere)
    assert vlm.placeholder_tokens(config, processor) == [processor.image_token_id]


def test_tokens_that_the_processor_writes_for_a_picture_are_suppressed():
    template = chat("<turn>", f"<media>{IMAGE}</media>\n", " ", "ASSISTANT:", names=("USER:", "ASSISTANT:"))
    processor = build_processor(template, more=("<media>", "</media>"))
    marks = processor.tokenizer.convert_tokens_to_ids(["<media>", "</media>"])
    assert vlm.placeholder_tokens(config_of(processor), processor) == sorted([processor.image_token_id, *marks])


def test_training_and_sampling_suppress_the_same_tokens():
    processor = build_processor(more=("<film>",))
    processor.video_token = "<film>"
    model: Any = SimpleNamespace(config=config_of(processor), generation_config=GenerationConfig(eos_token_id=2))
    barred = processor.tokenizer.convert_tokens_to_ids(["<film>", IMAGE])
    assert Tokens.of(model, processor).never == set(barred) == set(vlm.placeholder_tokens(model.config, processor))
