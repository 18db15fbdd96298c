"""Sampling a batch with `generate` such that each row draws from its own seed and its log-probs are kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
from PIL import Image
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel, ProcessorMixin

from stages.core import vlm
from stages.core.engines.base import Completion, Request, Sampling
from stages.core.errors import InputError


class SeededDraw(LogitsProcessor):  # type: ignore[misc]
    """Draws each row's token by inverting its cumulative distribution at a number from the row's own seed.

    `generate` then runs greedily on scores that allow only the drawn token. So a row's draws depend on its seed and
    its distribution alone, whatever else is in the batch. Keeps the log-probs of what was drawn: [B] a step, of the
    distribution at the sampling temperature before nucleus truncation.
    """

    def __init__(self, seeds: Sequence[int], sampling: Sampling, device: torch.device) -> None:
        draws = [np.random.Generator(np.random.Philox(seed)).random(sampling.max_tokens) for seed in seeds]
        self._uniform = torch.tensor(np.stack(draws), device=device)  # [B, T], float64
        self._sampling = sampling
        self.logprobs: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        temperature = self._sampling.temperature
        logprobs = (scores.float() / (temperature or 1.0)).log_softmax(-1)  # [B, V]
        token = logprobs.argmax(-1) if temperature == 0 else self._draw(logprobs)
        self.logprobs.append(logprobs.gather(-1, token[:, None])[:, 0])
        forced = torch.full_like(scores, -torch.inf)
        return forced.scatter_(-1, token[:, None], 0.0)  # type: ignore[return-value]

    def _draw(self, logprobs: torch.Tensor) -> torch.Tensor:
        probabilities = _nucleus(logprobs.exp(), self._sampling.top_p)
        cumulative = probabilities.double().cumsum(-1)  # [B, V]
        goal = self._uniform[:, len(self.logprobs), None] * cumulative[:, -1:]
        token = torch.searchsorted(cumulative, goal, right=True)[:, 0]
        return token.clamp(max=logprobs.shape[-1] - 1)


def sample_batch(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    rows: Sequence[tuple[Request, int]],
    *,
    stop_tokens: Collection[int],
    suppressed: list[int],
    max_prompt_tokens: int,
) -> list[Completion]:
    """One completion for each (request, sample) of one policy and one sampling, in order."""
    sampling = rows[0][0].sampling
    inputs = vlm.encode(
        processor,
        [request.messages for request, _ in rows],
        _load_pictures([request for request, _ in rows]),
    ).to(model.device)
    prompts = vlm.unpadded(inputs["input_ids"], inputs["attention_mask"])
    for (request, _), prompt in zip(rows, prompts, strict=True):
        _check_length(len(prompt), max_prompt_tokens, request)
    draw = SeededDraw([request.seed + sample for request, sample in rows], sampling, model.device)
    with torch.inference_mode():
        output = model.generate(
            **inputs,
            do_sample=False,
            max_new_tokens=sampling.max_tokens,
            min_new_tokens=sampling.min_tokens or None,
            repetition_penalty=sampling.repetition_penalty,
            suppress_tokens=suppressed or None,
            eos_token_id=sorted(stop_tokens),
            pad_token_id=processor.tokenizer.pad_token_id,
            logits_processor=LogitsProcessorList([draw]),
            temperature=None,
            top_p=None,
            top_k=None,
        )
    answers = output[:, inputs["input_ids"].shape[1] :].tolist()
    logprobs = torch.stack(draw.logprobs, dim=1).tolist()  # [B, T]
    return [
        _completion(processor, prompt, tokens, row_logprobs, stop_tokens)
        for prompt, tokens, row_logprobs in zip(prompts, answers, logprobs, strict=True)
    ]


def _load_pictures(requests: Sequence[Request]) -> list[list[Image.Image]]:
    """The pictures of each request; samples of one request share them."""
    loaded: dict[int, list[Image.Image]] = {}
    for request in requests:
        if id(request) not in loaded:
            loaded[id(request)] = [picture.load() for picture in request.pictures]
    return [loaded[id(request)] for request in requests]


def _completion(
    processor: ProcessorMixin,
    prompt: list[int],
    tokens: list[int],
    logprobs: list[float],
    stop_tokens: Collection[int],
) -> Completion:
    stop = next((place for place, token in enumerate(tokens) if token in stop_tokens), None)
    length = len(tokens) if stop is None else stop + 1
    return Completion(
        text=processor.tokenizer.decode(tokens[:length], skip_special_tokens=True),
        token_ids=tokens[:length],
        logprobs=logprobs[:length],
        finish_reason="length" if stop is None else "stop",
        prompt_tokens=len(prompt),
        prompt_sha256=vlm.prompt_hash(prompt),
    )


def _nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """[B, V] with the tail beyond `top_p` set to 0; the most likely token always stays."""
    if top_p >= 1:
        return probabilities
    ordered, places = probabilities.sort(dim=-1, descending=True)
    tail = ordered.cumsum(-1) - ordered >= top_p
    return probabilities.scatter(-1, places, ordered.masked_fill(tail, 0.0))


def _check_length(tokens: int, limit: int, request: Request) -> None:
    """A prompt beyond the limit is an error: cutting it would change the game unseen."""
    if tokens > limit:
        raise InputError(
            f"game number {request.order[0]}, turn {request.order[1]}: the prompt has {tokens} tokens, but "
            f"rollout.max_prompt_tokens is {limit}; raise it, or lower model.max_pixels or game.clue_chars"
        )
