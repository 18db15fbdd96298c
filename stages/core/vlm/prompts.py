"""Turns messages and pictures into a model's inputs: many prompts at once, or one by one and joined later."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import digits
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from stages.core.errors import InputError, VzError, first_line
from stages.core.game.prompting import Message

if TYPE_CHECKING:
    import torch
    from transformers import BatchFeature, PreTrainedTokenizerBase, ProcessorMixin


@lru_cache(maxsize=8)
def _added_around(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """The token ids that the tokenizer adds before and after a text, found with digits, which every tokenizer has."""
    bare = tokenizer(digits, add_special_tokens=False)["input_ids"]
    whole = tokenizer(digits)["input_ids"]
    start = next(place for place in range(len(whole)) if whole[place : place + len(bare)] == bare)
    return whole[:start], whole[start + len(bare) :]


Size = tuple[int, int]  # width and height in pixels


@dataclass(frozen=True)
class Prompt:
    """The inputs of one prompt, without padding."""

    ids: list[int]
    types: dict[str, list[int]]  # by name, one token type for each token
    pictures: dict[str, torch.Tensor]  # the processor's output for the pictures, by name


def encode(
    processor: ProcessorMixin, prompts: Sequence[list[Message]], pictures: Sequence[Sequence[Image.Image]]
) -> BatchFeature:
    """Model inputs for B prompts, left-padded: `input_ids` [B, L], `attention_mask` [B, L] and the picture tensors.

    Each prompt ends where the answer begins, without the tokens that the tokenizer appends to a text. `VzError` if the
    processor cannot make the inputs, e.g. for a text with more placeholders than pictures.
    """
    texts = [prompt_text(processor, prompt) for prompt in prompts]
    images = [list(own) for own in pictures]
    adds, appended = _special_tokens(processor.tokenizer, texts[0])
    try:
        made = processor(
            text=texts,
            images=images if any(images) else None,
            padding=True,
            padding_side="left",
            return_tensors="pt",
            add_special_tokens=adds,
        )
    except (StopIteration, ValueError, IndexError) as error:  # what processors raise for a stray placeholder
        raise VzError(
            f"the processor {type(processor).__name__} could not make a prompt's inputs from {len(images[0])} "
            f"picture(s) and its text: {error!r}"
        ) from error
    if appended:
        shape = made["input_ids"].shape
        for name in [name for name, value in made.items() if getattr(value, "shape", ())[:2] == shape]:
            made[name] = made[name][:, :-appended]
    return made


def encode_one(processor: ProcessorMixin, messages: list[Message], pictures: Sequence[Image.Image]) -> Prompt:
    """One prompt's inputs, which `batch` joins with others."""
    made = dict(encode(processor, [messages], [pictures]))
    mask = made.pop("attention_mask")[0].bool()
    ids = made.pop("input_ids")[0][mask].tolist()
    types = {name: made.pop(name)[0][mask].tolist() for name in [*made] if name.endswith("token_type_ids")}
    return Prompt(ids, types, made)


def batch(prompts: Sequence[Prompt], pad_token: int) -> dict[str, torch.Tensor]:
    """The same inputs as `encode` makes for these prompts: left-padded text and concatenated picture tensors."""

    length = max(len(prompt.ids) for prompt in prompts)
    inputs = {
        "input_ids": _left_padded([prompt.ids for prompt in prompts], length, pad_token),
        "attention_mask": _left_padded([[1] * len(prompt.ids) for prompt in prompts], length, 0),
    }
    for name in dict.fromkeys(name for prompt in prompts for name in prompt.types):
        types = [prompt.types.get(name, [0] * len(prompt.ids)) for prompt in prompts]  # text has type 0
        inputs[name] = _left_padded(types, length, 0)
    inputs |= joined_pictures([prompt.pictures for prompt in prompts])
    return inputs


def joined_pictures(parts: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The picture tensors of several prompts, concatenated; smaller ones are padded with zeros."""
    import torch

    joined = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        tensors = [part[name] for part in parts if name in part]
        shape = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
        joined[name] = torch.cat([_filled_up(tensor, shape) for tensor in tensors])
    return joined


def prompt_ids(processor: ProcessorMixin, messages: list[Message]) -> list[int]:
    """The token ids of a prompt's text, in which each picture is still the single mark from the chat template."""
    text = prompt_text(processor, messages)
    adds, appended = _special_tokens(processor.tokenizer, text)
    ids: list[int] = processor.tokenizer(text, add_special_tokens=adds)["input_ids"]
    return ids[: len(ids) - appended]


def prompt_text(processor: ProcessorMixin, messages: list[Message]) -> str:
    """A prompt as the chat template writes it, up to the start of the answer, with a mark for each picture."""
    return chat_text(processor, plain_messages(messages), add_generation_prompt=True)


def chat_text(processor: ProcessorMixin, messages: list[Message], add_generation_prompt: bool = False) -> str:
    """A conversation as the chat template writes it, with the recipe's template options."""
    text: str = processor.apply_chat_template(
        messages,
        tokenize=False,
        add_generation_prompt=add_generation_prompt,
        **getattr(processor, "chat_template_options", {}),
        processor_kwargs={"padding": True},  # has no effect here, but without it SmolVLM warns on every call
    )
    return text


def plain_messages(prompt: list[Message]) -> list[Message]:
    """Messages in the form that chat templates expect: picture parts have no `text` key."""
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


def _special_tokens(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[bool, int]:
    """Whether the tokenizer may add special tokens to `text`, and how many come after it and must be cut off.

    If the chat template has already written <bos>, the tokenizer must not add a second one.
    """
    before, after = _added_around(tokenizer)
    if before and text.startswith("".join(tokenizer.convert_ids_to_tokens(before))):
        return False, 0
    return True, len(after)


def _left_padded(rows: Sequence[list[int]], length: int, pad: int) -> torch.Tensor:
    import torch

    return torch.tensor([[pad] * (length - len(row)) + row for row in rows])


def _filled_up(part: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """`part` padded with zeros to the sizes of the largest prompt (tiles, sides). The first dimension stays."""
    if list(part.shape[1:]) == list(shape):
        return part
    whole = part.new_zeros((part.shape[0], *shape))
    whole[tuple(slice(size) for size in part.shape)] = part
    return whole


class PromptLengths:
    """The number of tokens in prompts with one processor. A picture's tokens depend only on its size."""

    def __init__(self, processor: ProcessorMixin) -> None:
        self._processor = processor
        self._texts: dict[str, int] = {}
        self._pictures: dict[Size, int | InputError] = {}

    def text(self, messages: list[Message]) -> int:
        """Tokens in a prompt in which each picture is still the single mark from the chat template."""
        key = str(messages)
        if key not in self._texts:
            self._texts[key] = len(prompt_ids(self._processor, messages))
        return self._texts[key]

    def picture(self, messages: list[Message], size: Size) -> int:
        """Tokens that a picture of this size adds to a prompt. `InputError` if the processor cannot take it."""
        if size not in self._pictures:
            try:
                prompt = encode_one(self._processor, messages, [Image.new("RGB", size)])
                self._pictures[size] = len(prompt.ids) - self.text(messages)
            except MemoryError:
                raise
            except Exception as error:  # processors raise all kinds of errors for sizes they do not support
                name, why = type(self._processor).__name__, first_line(error.__cause__ or error)
                self._pictures[size] = InputError(f"{name} cannot take {size[0]}×{size[1]} pixels: {why}")
        found = self._pictures[size]
        if isinstance(found, InputError):
            raise found
        return found
