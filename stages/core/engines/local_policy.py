"""A policy in this process, whose model and processor turn batches of prompts into completions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from stages.core import vlm
from stages.core.engines.base import Completion, Request, sampler_name
from stages.core.engines.decoding import Decoding
from stages.core.engines.fit import Fit
from stages.core.engines.processing import Processing
from stages.core.game.thinking import thinking_tags
from stages.core.recipe.model import Model as ModelRecipe
from stages.core.vlm.prompts import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True, eq=False)
class Question:
    """A request with its prompt's tokens. Thousands may wait, so their pictures stay in the bounded cache."""

    request: Request
    prompt: Prompt


class LocalPolicy:
    """Weights, their processor, and the tokens that end an answer or must not appear in it."""

    def __init__(self, model: str | Path, recipe: ModelRecipe, processing: Processing) -> None:
        self._processing, self.processor, self.pictures = processing, processing.processor, processing.pictures
        self.model: PreTrainedModel = vlm.load_model(model, recipe)
        # Equal for models that differ only in their weights' values.
        parts = type(self.model), self.model.config, self.model.dtype, processing.settings
        self.kind = "\n".join(map(str, parts))
        self._sampler = sampler_name("transformers", str(self.model.dtype), recipe.quantization)
        self.stop_tokens = frozenset(vlm.stop_tokens(self.model, self.processor))
        self.suppressed = vlm.placeholder_tokens(self.model, self.processor)
        self._answers = vlm.AnswerText(self.processor, thinking_tags(recipe))
        self.fit = Fit(joins=False, shares=False)  # always works

    def question(self, request: Request, max_tokens: int) -> Question:
        """The request with its prompt. `InputError` if the prompt has more than `max_tokens`."""
        prompt = self._processing.prompt(request.messages, request.pictures)
        request.check_length(len(prompt.ids), max_tokens)
        return Question(request, replace(prompt, pictures={}))

    def complete(self, rows: Sequence[tuple[Question, int]], device: torch.device) -> list[Completion]:
        """One completion for each (request, sample), in order. All must have the same sampling."""
        self.model.to(device)  # after training, it stays in the CPU's memory until a request comes
        prompts, places = _prompts([question for question, _ in rows], self.fit.shares)
        decoding = Decoding(
            places,
            [question.request.seed + sample for question, sample in rows],
            rows[0][0].request.sampling,
            self.stop_tokens,
            self.fit.shares,
        )
        inputs, pad = self._inputs(prompts), self.processor.tokenizer.pad_token_id
        drawn = decoding.run(self.model, inputs, suppressed=self.suppressed, pad_token=pad)
        return [self._completion(question.prompt, *answer) for (question, _), answer in zip(rows, drawn, strict=True)]

    def _inputs(self, prompts: Sequence[Question]) -> dict[str, torch.Tensor]:
        """Left-padded inputs of these prompts."""
        if self.fit.joins:
            parts = [self._processing.prompt(each.request.messages, each.request.pictures) for each in prompts]
            return vlm.batch(parts, self.processor.tokenizer.pad_token_id)
        requests = [question.request for question in prompts]
        pictures = [self.pictures.load(request.pictures) for request in requests]
        return dict(vlm.encode(self.processor, [request.messages for request in requests], pictures))

    def _completion(self, prompt: Prompt, tokens: list[int], logprobs: list[float]) -> Completion:
        return Completion(
            text=self._answers.of(tokens),
            token_ids=tokens,
            logprobs=logprobs,
            finish_reason="stop" if tokens[-1] in self.stop_tokens else "length",
            prompt_tokens=len(prompt.ids),
            prompt_sha256=vlm.prompt_hash(prompt.ids),
            sampler=self._sampler,
        )


def _prompts(rows: Sequence[Question], shares: bool) -> tuple[list[Question], list[int]]:
    """The prompts to compute, one for each question or each row, and the index of each row's prompt."""
    if not shares:
        return list(rows), list(range(len(rows)))
    unique = list({id(question): question for question in rows}.values())
    place = {id(question): number for number, question in enumerate(unique)}
    return unique, [place[id(question)] for question in rows]
