"""Tokens with a meaning of their own: those that end an answer, and those that stand for pictures in a prompt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from jinja2 import TemplateError

from stages.core.errors import InputError

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel, ProcessorMixin

# `image_token_id`, `video_token_index`, `vision_start_token_id`, `boi_token_index`, `start_image_token_id`, …
_NAMED = re.compile(r"(^|_)(image|images|img|video|audio|vision|boi|eoi|boa|eoa|boav)_(\w+_)?token(_id|_index)?$")
_ANSWER = "answer"


def placeholder_tokens(model: PreTrainedModel | PreTrainedConfig, processor: ProcessorMixin | None = None) -> list[int]:
    """Token ids that stand for a picture, video or sound in a prompt, or mark where one begins and ends.

    A policy must never say them: the model would look for features that are not there. Model and configuration name
    some, the processor others, and the generation config may suppress more.
    """
    config = getattr(model, "config", model)
    found = set(_numbers(config)) | set(_numbers(config.get_text_config()))
    found |= set(getattr(getattr(model, "generation_config", None), "suppress_tokens", None) or ())
    if processor is not None:
        found |= set(_numbers(processor)) | set(_numbers(processor.tokenizer)) | set(_words(processor))
        for kind in ("image", "video", "audio"):
            found |= {token for token in getattr(processor, f"{kind}_token_ids", ()) if isinstance(token, int)}
    return sorted(found)


def stop_tokens(model: PreTrainedModel | GenerationConfig, processor: ProcessorMixin) -> list[int]:
    """The token ids that end an answer: of the generation config, of the tokenizer, and of the chat template.

    The last because some families name the token that ends a turn nowhere else (Idefics3's `<end_of_utterance>`).
    """
    ids = getattr(model, "generation_config", model).eos_token_id
    listed = ids if isinstance(ids, list) else [ids]
    found = {token for token in [*listed, processor.tokenizer.eos_token_id, _turn_end(processor)] if token is not None}
    if not found:
        raise InputError("the model names no token that ends an answer (eos_token_id)")
    return sorted(found)


def _numbers(thing: object) -> Iterator[int]:
    """Ids in attributes that are named like a placeholder's."""
    for name in _attributes(thing):
        value = getattr(thing, name, None) if _NAMED.search(name) else None
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            yield value


def _words(processor: ProcessorMixin) -> Iterator[int]:
    """Ids of special tokens that the processor names by their text: `fake_image_token`, `boi_token`, …"""
    special = {str(token): place for place, token in processor.tokenizer.added_tokens_decoder.items()}
    for thing in (processor, processor.tokenizer):
        for name in _attributes(thing):
            value = getattr(thing, name, None) if _NAMED.search(name) else None
            if isinstance(value, str) and value in special:
                yield special[value]


def _attributes(thing: object) -> list[str]:
    if thing is None:
        return []
    special = getattr(thing, "_special_tokens_map", {}) or {}
    return sorted({*vars(thing), *special, *(f"{name}_id" for name in special)})


def _turn_end(processor: ProcessorMixin) -> int | None:
    """The special token that the chat template writes after an assistant's words; None where it writes none."""
    talk = [
        {"role": "user", "content": [{"type": "text", "text": "question"}]},
        {"role": "assistant", "content": [{"type": "text", "text": _ANSWER}]},
    ]
    try:
        text = processor.apply_chat_template(talk, tokenize=False, processor_kwargs={"padding": True})
    except TemplateError:  # a template for other talks than this
        return None
    if _ANSWER not in text:
        return None
    after = processor.tokenizer(text.rpartition(_ANSWER)[2].lstrip(), add_special_tokens=False)["input_ids"]
    special = {place for place, token in processor.tokenizer.added_tokens_decoder.items() if token.special}
    return after[0] if after and after[0] in special else None
