"""Plain English, which the lessons must not cost the language model: texts of its own to hold on to, and a test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, PreTrainedModel, PreTrainedTokenizerFast

HELD_OUT = Path(__file__).with_name("held_out.txt")
"""Paragraphs of our own, with an empty line between, that no lesson contains."""

REQUESTS = (
    "Explain why leaves change color in autumn.",
    "Write a short story about a fisherman and a storm.",
    "How do I bake a simple loaf of bread?",
    "What is the difference between weather and climate?",
    "Give three tips for learning a new language.",
    "Describe a quiet morning in a small town.",
    "Why do people keep diaries?",
    "Write a polite email that asks for a day off.",
    "How does a bicycle stay upright?",
    "Summarize the life of a honey bee.",
    "What should I pack for a week in the mountains?",
    "Explain what a prime number is.",
    "Write a poem about an old clock.",
    "How can a family save electricity?",
    "What makes a good teacher?",
    "Tell me about the history of paper.",
    "Why is the sky blue?",
    "Plan a simple dinner for four friends.",
    "How do vaccines work?",
    "Write a dialogue between a cat and a dog.",
    "What are the advantages of trains over cars?",
    "Explain supply and demand to a child.",
    "Describe how to plant a tree.",
    "What is a good way to prepare for an exam?",
)
_TOKENS = 96


@torch.no_grad()
def own_texts(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, seed: int) -> tuple[Tensor, Tensor]:
    """What the untouched language model answers to `REQUESTS`: ids [texts, tokens], left-padded, and their mask."""
    from stages.init_model.batches import pad_left

    torch.manual_seed(seed)
    prompts = [f"<|im_start|>user\n{request}<|im_end|>\n<|im_start|>assistant\n" for request in REQUESTS]
    ids, mask = pad_left(tokenizer(prompts)["input_ids"], tokenizer)
    out = model.generate(input_ids=ids, attention_mask=mask, do_sample=True, top_k=0, max_new_tokens=_TOKENS)
    ends = (out[:, ids.shape[1] :] == tokenizer.eos_token_id).int().cumsum(1)
    answered = torch.cat([mask, (ends - (out[:, ids.shape[1] :] == tokenizer.eos_token_id).int() == 0).long()], dim=1)
    return out, answered


@torch.no_grad()
def perplexity(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> float:
    """Of a token of the held-out paragraphs, each on its own."""
    losses, tokens = 0.0, 0
    for paragraph in HELD_OUT.read_text(encoding="utf-8").split("\n\n"):
        ids = torch.tensor([tokenizer(paragraph.strip())["input_ids"]])
        logits = model(input_ids=ids).logits.float()
        losses += float(torch.nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:], reduction="sum"))
        tokens += ids.shape[1] - 1
    return float(torch.tensor(losses / tokens).exp())


class PlainTexts:
    """Texts that the untouched language model wrote: what it should go on saying."""

    def __init__(self, model: LlavaForConditionalGeneration, ids: Tensor, mask: Tensor) -> None:
        self._model, self._ids, self._mask = model, ids, mask

    def __len__(self) -> int:
        return len(self._ids)

    def distance(self, rows: Sequence[int]) -> Tensor:
        """Mean KL divergence of a token from the model without its adapter."""
        inputs = {"input_ids": self._ids[rows], "attention_mask": self._mask[rows]}
        self._model.disable_adapters()
        with torch.no_grad():
            wanted = self._model(**inputs).logits.float().log_softmax(-1)
        self._model.enable_adapters()
        found = self._model(**inputs).logits.float().log_softmax(-1)
        kept = self._mask[rows].bool()
        return torch.nn.functional.kl_div(found[kept], wanted[kept], reduction="batchmean", log_target=True)
