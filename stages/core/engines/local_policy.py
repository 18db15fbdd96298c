"""A policy in this process: its model and processor, and how they turn a batch of prompts into completions."""

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
from stages.core.engines.picture_cache import PictureCache
from stages.core.game.thinking import thinking_tags
from stages.core.recipe.model import Model as ModelRecipe
from stages.core.vlm import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin


@dataclass(frozen=True, eq=False)
class Asked:
    """A request with its prompt's tokens. Thousands may wait, so the pictures stay in the bounded cache."""

    request: Request
    prompt: Prompt


class LocalPolicy:
    """Weights, their processor with a cache of prepared pictures, and the tokens with a meaning of their own."""

    def __init__(self, place: str | Path, recipe: ModelRecipe) -> None:
        self.processor: ProcessorMixin = vlm.load_processor(place, recipe)  # first: seconds, where weights take minutes
        self.model: PreTrainedModel = vlm.load_model(place, recipe)
        # Of model and processor, whatever the weights' values.
        made_of = type(self.model), self.model.config, self.model.dtype, self.processor.to_json_string()
        self.kind = "\n".join(map(str, made_of))
        self.stop_tokens = frozenset(vlm.stop_tokens(self.model, self.processor))
        self.suppressed = vlm.placeholder_tokens(self.model, self.processor)
        self._answers = vlm.AnswerText(self.processor, thinking_tags(recipe))
        self.pictures = PictureCache(self.processor.image_processor)
        self.processor.image_processor = self.pictures
        self.fit = Fit(joins=False, shares=False)  # nothing is known to hold until it is tried

    def ask(self, request: Request, max_tokens: int) -> Asked:
        """The request's prompt; `InputError` for one of more than `max_tokens`."""
        prompt = self._encoded(request)
        request.check_length(len(prompt.ids), max_tokens)
        if self.fit.joins:
            self.pictures.keep(request.pictures, prompt.pictures)
        return Asked(request, replace(prompt, pictures={}))

    def complete(self, rows: Sequence[tuple[Asked, int]], device: torch.device) -> list[Completion]:
        """One completion for each (request, sample), in order; all of one sampling."""
        self.model.to(device)  # after training it sleeps in the CPU's memory until it is asked
        prompts, places = _prompts([asked for asked, _ in rows], self.fit.shares)
        decoding = Decoding(
            places,
            [asked.request.seed + sample for asked, sample in rows],
            rows[0][0].request.sampling,
            self.stop_tokens,
            self.fit.shares,
        )
        inputs, pad = self._inputs(prompts), self.processor.tokenizer.pad_token_id
        drawn = decoding.run(self.model, inputs, suppressed=self.suppressed, pad_token=pad)
        return [self._completion(asked.prompt, *answer) for (asked, _), answer in zip(rows, drawn, strict=True)]

    def _inputs(self, prompts: Sequence[Asked]) -> dict[str, torch.Tensor]:
        """Left-padded inputs of these prompts."""
        if self.fit.joins:
            parts = [replace(asked.prompt, pictures=self._pictures(asked.request)) for asked in prompts]
            return vlm.batch(parts, self.processor.tokenizer.pad_token_id)
        requests = [asked.request for asked in prompts]
        pictures = [self.pictures.load(request.pictures) for request in requests]
        return dict(vlm.encode(self.processor, [request.messages for request in requests], pictures))

    def _pictures(self, request: Request) -> dict[str, torch.Tensor]:
        kept = self.pictures.kept(request.pictures)
        return self._encoded(request).pictures if kept is None else kept

    def _encoded(self, request: Request) -> Prompt:
        return vlm.encode_one(self.processor, request.messages, self.pictures.load(request.pictures))

    def _completion(self, prompt: Prompt, tokens: list[int], logprobs: list[float]) -> Completion:
        return Completion(
            text=self._answers.of(tokens),
            token_ids=tokens,
            logprobs=logprobs,
            finish_reason="stop" if tokens[-1] in self.stop_tokens else "length",
            prompt_tokens=len(prompt.ids),
            prompt_sha256=vlm.prompt_hash(prompt.ids),
            sampler=sampler_name("transformers", str(self.model.dtype)),
        )


def _prompts(rows: Sequence[Asked], shares: bool) -> tuple[list[Asked], list[int]]:
    """The prompts to compute, and the place among them of each row's own: one a request, or one a row."""
    if not shares:
        return list(rows), list(range(len(rows)))
    unique = list({id(asked): asked for asked in rows}.values())
    place = {id(asked): number for number, asked in enumerate(unique)}
    return unique, [place[id(asked)] for asked in rows]
