"""From messages and pictures to a model's inputs: many prompts at once, or one by one and put together later."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import digits
from typing import TYPE_CHECKING

import numpy as np

from stages.core.errors import VzError
from stages.core.game.prompting import Message

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from transformers import BatchFeature, PreTrainedTokenizerBase, ProcessorMixin


@dataclass(frozen=True)
class Around:
    """What a tokenizer puts around a text by itself, and whether it may."""

    is_added: bool
    suffix: list[int]  # what it appends, which vz takes off again

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, text: str) -> Around:
        """A chat template that writes <bos> itself must not get a second one from the tokenizer."""
        prefix, suffix = _affixes(tokenizer)
        written = bool(prefix) and text.startswith("".join(tokenizer.convert_ids_to_tokens(prefix)))
        return cls(not written, [] if written else suffix)


@lru_cache(maxsize=8)
def _affixes(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """The token ids that the tokenizer puts before and after every text. Any tokenizer that can vote knows a digit."""
    bare = tokenizer(digits, add_special_tokens=False)["input_ids"]
    whole = tokenizer(digits)["input_ids"]
    start = next(place for place in range(len(whole)) if whole[place : place + len(bare)] == bare)
    return whole[:start], whole[start + len(bare) :]


@dataclass(frozen=True)
class Prompt:
    """One prompt as a model takes it, unpadded."""

    ids: list[int]
    types: dict[str, list[int]]  # token types, by their name: one a token
    pictures: dict[str, torch.Tensor]  # what the processor made of the pictures, by name


def encode(
    processor: ProcessorMixin, prompts: Sequence[list[Message]], pictures: Sequence[Sequence[Image.Image]]
) -> BatchFeature:
    """Model inputs of B prompts, left padded: `input_ids` [B, L], `attention_mask` [B, L] and the picture tensors.

    Each prompt ends where the answer begins: nothing that the tokenizer appends to a text stays. `VzError` where the
    processor cannot make the inputs, e.g. of a text with more placeholders than there are pictures.
    """
    texts = [prompt_text(processor, prompt) for prompt in prompts]
    images = [list(own) for own in pictures]
    around = Around.of(processor.tokenizer, texts[0])
    try:
        made = processor(
            text=texts,
            images=images if any(images) else None,
            padding=True,
            padding_side="left",
            return_tensors="pt",
            add_special_tokens=around.is_added,
        )
    except (StopIteration, ValueError, IndexError) as error:  # what processors raise on a stray placeholder
        raise VzError(
            f"the processor {type(processor).__name__} could not make a prompt's inputs of {len(images[0])} picture(s) "
            f"and its text: {error!r}"
        ) from error
    if around.suffix:
        shape = made["input_ids"].shape
        for name in [name for name, value in made.items() if getattr(value, "shape", ())[:2] == shape]:
            made[name] = made[name][:, : -len(around.suffix)]
    return made


def encode_one(processor: ProcessorMixin, messages: list[Message], pictures: Sequence[Image.Image]) -> Prompt:
    """One prompt's inputs, to be put together with others by `batch`."""
    made = dict(encode(processor, [messages], [pictures]))
    mask = made.pop("attention_mask")[0].bool()
    ids = made.pop("input_ids")[0][mask].tolist()
    types = {name: made.pop(name)[0][mask].tolist() for name in [*made] if name.endswith("token_type_ids")}
    return Prompt(ids, types, made)


def batch(prompts: Sequence[Prompt], pad_token: int) -> dict[str, torch.Tensor]:
    """What `encode` gives for these prompts, from their parts: text left padded, picture tensors one after another."""
    import torch

    length = max(len(prompt.ids) for prompt in prompts)
    inputs = {
        "input_ids": _left_padded([prompt.ids for prompt in prompts], length, pad_token),
        "attention_mask": _left_padded([[1] * len(prompt.ids) for prompt in prompts], length, 0),
    }
    for name in prompts[0].types:
        inputs[name] = _left_padded([prompt.types[name] for prompt in prompts], length, 0)
    for name in dict.fromkeys(name for prompt in prompts for name in prompt.pictures):
        parts = [prompt.pictures[name] for prompt in prompts if name in prompt.pictures]
        shape = [max(sizes) for sizes in zip(*(part.shape[1:] for part in parts), strict=True)]
        inputs[name] = torch.cat([_filled_up(part, shape) for part in parts])
    return inputs


def prompt_ids(processor: ProcessorMixin, messages: list[Message]) -> list[int]:
    """The token ids of a prompt's text alone, in which each picture is still the one mark of the chat template."""
    text = prompt_text(processor, messages)
    around = Around.of(processor.tokenizer, text)
    ids: list[int] = processor.tokenizer(text, add_special_tokens=around.is_added)["input_ids"]
    return ids[: len(ids) - len(around.suffix)]


def prompt_text(processor: ProcessorMixin, messages: list[Message]) -> str:
    """A prompt as the chat template writes it, ready for the answer; a mark stands where the picture goes."""
    return chat_text(processor, plain_messages(messages), add_generation_prompt=True)


def chat_text(processor: ProcessorMixin, messages: list[Message], add_generation_prompt: bool = False) -> str:
    """A talk as the chat template writes it, with the recipe's options for the template."""
    text: str = processor.apply_chat_template(
        messages,
        tokenize=False,
        add_generation_prompt=add_generation_prompt,
        **getattr(processor, "chat_template_options", {}),
        processor_kwargs={"padding": True},  # no use for text alone, but without any SmolVLM's complains at every call
    )
    return text


def plain_messages(prompt: list[Message]) -> list[Message]:
    """Messages as chat templates expect them: picture parts without a `text` key."""
    return [
        {
            "role": message["role"],
            "content": [
                {"type": "text", "text": part["text"]} if part["type"] == "text" else {"type": part["type"]}
                for part in message["content"]
            ],
        }
        for message in prompt
    ]


def prompt_hash(ids: Sequence[int]) -> str:
    """SHA-256 of the token ids as 32-bit little-endian integers."""
    return hashlib.sha256(np.fromiter(ids, "<u4", len(ids)).tobytes()).hexdigest()


def unpadded(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> list[list[int]]:
    """The token ids of each row of [B, L] without its padding."""
    return [row[mask.bool()].tolist() for row, mask in zip(input_ids, attention_mask, strict=True)]


def _left_padded(rows: Sequence[list[int]], length: int, pad: int) -> torch.Tensor:
    import torch

    return torch.tensor([[pad] * (length - len(row)) + row for row in rows])


def _filled_up(part: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """`part` with zeros after its end wherever another prompt's is larger (tiles, sides); the first size stays."""
    if list(part.shape[1:]) == list(shape):
        return part
    whole = part.new_zeros((part.shape[0], *shape))
    whole[tuple(slice(size) for size in part.shape)] = part
    return whole
