"""Special tokens: tokens that end an answer, and tokens that stand for pictures in a prompt."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import TemplateError
from PIL import Image

from stages.core.errors import InputError
from stages.core.folder.files import read_json
from stages.core.vlm.prompts import chat_text, encode_one, prompt_ids

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel, ProcessorMixin

    from stages.core.game.prompting import Message

MODALITIES = ("image", "video", "audio")
# Attributes that declare a token id: `image_token_id`, `video_token_index`, `vision_start_token_id`, `boi_token_index`,
# …
_ID = re.compile(r"(^|_)(image|images|img|video|audio|vision|boi|eoi|boa|eoa|boav)_(\w+_)?token(_id|_index)$")
# Attributes that declare a token's text: `fake_image_token`, `boi_token`, `start_image_token`, …
_TEXT = re.compile(r"(^|_)(image|images|img|video|audio|vision|boi|eoi|boa|eoa|boav)_(\w+_)?token$")
_ANSWER = "answer"
GENERATION = "generation_config.json"
_TEXT_PART = {"type": "text", "text": "Look."}
_WITHOUT: list[Message] = [{"role": "user", "content": [_TEXT_PART]}]
_WITH: list[Message] = [{"role": "user", "content": [_TEXT_PART, {"type": "image", "text": None}]}]
_SIDE = 64  # pixels; large enough for every processor, and one tile for those that use tiles


def placeholder_tokens(model: PreTrainedModel | PreTrainedConfig, processor: ProcessorMixin) -> list[int]:
    """Token ids that stand for a picture, video or sound in a prompt, or mark its start or end.

    No answer may contain them, because the model would look for features that do not exist. The set is the same in
    every engine and in training. It has the tokens that model and processor declare as the image token, the special
    tokens that they declare for pictures, video and sound, and the special tokens that the processor writes for a
    picture. It never contains an ordinary word, whatever an attribute's name.
    """
    config = getattr(model, "config", model)
    added = processor.tokenizer.added_tokens_decoder
    declared = {token for thing in (config, config.get_text_config()) for token in _ids(thing)}
    declared |= {token for thing in (processor, processor.tokenizer) for token in (*_ids(thing), *_texts(thing, added))}
    found = image_tokens(processor) | {token for token in declared if token in added} | picture_tokens(processor)
    found |= {token for name in ("image_token_id", "image_token_index") if (token := getattr(config, name, None))}
    return sorted(found)


def image_tokens(processor: ProcessorMixin) -> set[int]:
    """The ids that the processor declares through transformers' interface for pictures, video and sound."""
    declared = (token for kind in MODALITIES for token in getattr(processor, f"{kind}_token_ids", None) or ())
    return {token for token in declared if isinstance(token, int)}


def picture_tokens(processor: ProcessorMixin) -> set[int]:
    """The special tokens that a picture adds to a prompt."""
    special = {place for place, token in processor.tokenizer.added_tokens_decoder.items() if token.special}
    shown = encode_one(processor, _WITH, [Image.new("RGB", (_SIDE, _SIDE))])
    return (set(shown.ids) - set(prompt_ids(processor, _WITHOUT))) & (special | image_tokens(processor))


def generation_config(place: str, revision: str | None) -> GenerationConfig:
    """A generation config with only the tokens that end an answer, since the recipe decides everything else.

    They come from the model's generation config, or from its configuration if it has none. vz reads nothing else in the
    file, so no value in it can change sampling or stop the model from loading.
    """
    import transformers
    from transformers.utils import cached_file

    try:
        file = cached_file(place, GENERATION, revision=revision, _raise_exceptions_for_missing_entries=False)
        body = read_json(Path(file)) if file else {}
        ends = body.get("eos_token_id")
        if ends is None:
            config = transformers.AutoConfig.from_pretrained(place, revision=revision, trust_remote_code=False)
            ends = config.get_text_config().eos_token_id
    except (OSError, ValueError):  # no such model, or one that transformers does not know; loading reports it
        ends = None
    listed = ends if isinstance(ends, list) else [ends]
    if not all(end is None or (isinstance(end, int) and not isinstance(end, bool)) for end in listed):
        raise InputError(f"{place}: {GENERATION}: eos_token_id is {ends!r}, not a token id or a list of them")
    return transformers.GenerationConfig(eos_token_id=[end for end in listed if end is not None] or None)


def stop_tokens(model: PreTrainedModel | GenerationConfig, processor: ProcessorMixin) -> list[int]:
    """The token ids that end an answer, from the generation config, the tokenizer and the chat template.

    In some families, only the chat template has the token that ends a turn (Idefics3's `<end_of_utterance>`).
    """
    ids = getattr(model, "generation_config", model).eos_token_id
    listed = ids if isinstance(ids, list) else [ids]
    found = {token for token in [*listed, processor.tokenizer.eos_token_id, _turn_end(processor)] if token is not None}
    if not found:
        raise InputError("the model names no token that ends an answer (eos_token_id)")
    return sorted(found)


def _ids(thing: object) -> Iterator[int]:
    """Ids that attributes of `thing` declare for pictures, video and sound."""
    for name in _attributes(thing):
        value = getattr(thing, name, None) if _ID.search(name) else None
        if isinstance(value, int) and not isinstance(value, bool):
            yield value


def _texts(thing: object, added: Mapping[int, object]) -> Iterator[int]:
    """Ids of added tokens that attributes of `thing` declare by their text."""
    places = {str(token): place for place, token in added.items()}
    for name in _attributes(thing):
        value = getattr(thing, name, None) if _TEXT.search(name) else None
        if isinstance(value, str) and value in places:
            yield places[value]


def _attributes(thing: object) -> list[str]:
    if thing is None:
        return []
    special = getattr(thing, "_special_tokens_map", {}) or {}
    return sorted({*vars(thing), *special, *(f"{name}_id" for name in special)})


def _turn_end(processor: ProcessorMixin) -> int | None:
    """The special token that the chat template writes after an assistant's message, or None."""
    conversation = [
        {"role": "user", "content": [{"type": "text", "text": "question"}]},
        {"role": "assistant", "content": [{"type": "text", "text": _ANSWER}]},
    ]
    try:
        text = chat_text(processor, conversation)
    except (TemplateError, TypeError, ValueError):  # a template for other conversations
        return None
    if _ANSWER not in text:
        return None
    after = processor.tokenizer(text.rpartition(_ANSWER)[2].lstrip(), add_special_tokens=False)["input_ids"]
    special = {place for place, token in processor.tokenizer.added_tokens_decoder.items() if token.special}
    return after[0] if after and after[0] in special else None
