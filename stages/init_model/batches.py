"""Lessons as tensors, with the same chat template and processor conventions that the sampler and the trainer use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from stages.core.game.prompting import Message
from stages.core.vlm.prompts import plain_messages
from stages.init_model.lessons import Lesson

if TYPE_CHECKING:
    from transformers import LlavaProcessor, PreTrainedTokenizerFast

IGNORED = -100
"""The label of a token that the model does not learn; the value that torch's cross entropy skips."""


class Batch(NamedTuple):
    """`ids`, `mask`, `labels`: [lessons, tokens], left-padded; `rows`: [lessons], the row of each one's picture."""

    ids: Tensor
    mask: Tensor
    labels: Tensor
    rows: Tensor


def prompt_ids(processor: LlavaProcessor, prompts: Sequence[list[Message]], visual_tokens: int) -> list[list[int]]:
    """Token ids of each prompt, with its picture's tokens in place. Equal to the processor's own (a test checks this),
    without touching the picture again."""
    texts = [
        processor.apply_chat_template(plain_messages(prompt), tokenize=False, add_generation_prompt=True)
        for prompt in prompts
    ]
    mark = processor.image_token
    expanded = [text.replace(mark, mark * visual_tokens) for text in texts]
    ids: list[list[int]] = processor.tokenizer(expanded)["input_ids"]
    return ids


def collate(processor: LlavaProcessor, lessons: Sequence[Lesson], visual_tokens: int) -> Batch:
    """Left-padded ids, with labels only on the answers, including the token that ends them."""
    tokenizer = processor.tokenizer
    prompts = prompt_ids(processor, [lesson.prompt for lesson in lessons], visual_tokens)
    answers: list[list[int]] = tokenizer([lesson.answer + tokenizer.eos_token for lesson in lessons])["input_ids"]
    ids, mask = pad_left([prompt + answer for prompt, answer in zip(prompts, answers, strict=True)], tokenizer)
    labels = torch.full_like(ids, IGNORED)
    for row, answer in enumerate(answers):
        labels[row, ids.shape[1] - len(answer) :] = torch.tensor(answer)
    return Batch(ids, mask, labels, torch.tensor([lesson.picture for lesson in lessons]))


def pad_left(rows: Sequence[list[int]], tokenizer: PreTrainedTokenizerFast) -> tuple[Tensor, Tensor]:
    """Token ids [rows, tokens], padded on the left, and their mask."""
    ids = torch.full((len(rows), max(map(len, rows))), tokenizer.pad_token_id)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, ids.shape[1] - len(row) :] = torch.tensor(row)
        mask[number, ids.shape[1] - len(row) :] = 1
    return ids, mask


def to_pixels(processor: LlavaProcessor, pictures: Sequence[object]) -> Tensor:
    """Pictures (PIL) → [pictures, 3, side, side], normalised by the processor itself."""
    values = processor.image_processor(list(pictures), return_tensors="pt")["pixel_values"]
    return torch.as_tensor(values)
