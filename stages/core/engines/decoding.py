"""Sampling with `generate`: samples of a prompt share its computation, and each row draws from its own seed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessorList, PreTrainedModel

from stages.core.engines.base import Sampling

PER_TOKEN = ("attention_mask", "position_ids", "token_type_ids", "mm_token_type_ids")


class Decoding:
    """A decoding loop for `generate` (its `custom_generate`), in which many rows may share a prompt.

    Each prompt is computed once. Its rows (samples) continue from copies of its keys and values. Finished rows leave
    the batch once they make up half of it. With `shares` off, for models whose state cannot be split by rows, the batch
    never changes and every row needs its own prompt.

    A row inverts its cumulative distribution at random numbers from its own seed. So its tokens depend only on its seed
    and its distribution, whatever else is in the batch.
    """

    def __init__(
        self,
        prompts: Sequence[int],
        seeds: Sequence[int],
        sampling: Sampling,
        stop_tokens: Collection[int],
        shares: bool,
    ) -> None:
        rows, steps = len(prompts), sampling.max_tokens
        draws = [np.random.Generator(np.random.Philox(seed)).random(steps) for seed in seeds]
        self._uniform = torch.tensor(np.stack(draws))  # [B, T], float64
        self._prompts = torch.tensor(prompts)  # [B], the prompt of each row
        self._stop = torch.tensor(sorted(stop_tokens))
        self._sampling = sampling
        self._shares = shares
        self.tokens = torch.zeros((rows, steps), dtype=torch.long)
        self.logprobs = torch.zeros((rows, steps))  # at the sampling temperature, before nucleus truncation

    def run(
        self, model: PreTrainedModel, inputs: Mapping[str, torch.Tensor], *, suppressed: Sequence[int], pad_token: int
    ) -> list[tuple[list[int], list[float]]]:
        """Token ids and log-probs of each row. `inputs` are left-padded; `suppressed` tokens are never drawn."""
        self._to(model.device)
        with torch.inference_mode():
            model.generate(
                **{name: value.to(model.device) for name, value in inputs.items()},
                custom_generate=self,
                do_sample=False,
                use_cache=True,
                cache_implementation="dynamic",
                max_new_tokens=self._sampling.max_tokens,
                min_new_tokens=self._sampling.min_tokens or None,
                repetition_penalty=self._sampling.repetition_penalty,
                suppress_tokens=list(suppressed) or None,
                eos_token_id=self._stop.tolist(),
                pad_token_id=pad_token,
                temperature=None,
                top_p=None,
                top_k=None,
            )
        return self._answers()

    def __call__(
        self,
        model: PreTrainedModel,
        input_ids: torch.Tensor,
        logits_processor: LogitsProcessorList,
        stopping_criteria: Any,
        generation_config: Any,
        **state: Any,
    ) -> torch.Tensor:
        alive = torch.arange(len(self._prompts), device=input_ids.device)
        mask = state.get("attention_mask")  # None if there is no padding
        logits, state = _forward(model, input_ids, state, is_first_iteration=True)
        # From here on, only logits processors look at the prompt. They must not mistake padding for part of it.
        ids = input_ids if mask is None else input_ids.where(mask.bool(), input_ids[:, -1:])
        if self._shares and not torch.equal(self._prompts, alive):
            ids, logits, state = ids[self._prompts], logits[self._prompts], _rows(state, self._prompts)
        done = torch.zeros_like(alive, dtype=torch.bool)
        for step in range(self._sampling.max_tokens):
            token = self._draw(logits_processor(ids, logits.float()), alive, step)
            done = done | torch.isin(token, self._stop)
            ended = int(done.sum())
            if step + 1 == self._sampling.max_tokens or ended == len(done):
                break
            ids = torch.cat([ids, token[:, None]], dim=1)
            if self._shares and 2 * ended >= len(done):
                left = (~done).nonzero()[:, 0]
                ids, alive, done, state = ids[left], alive[left], done[left], _rows(state, left)
            logits, state = _forward(model, ids, state, next_sequence_length=1)
        return self.tokens

    def _answers(self) -> list[tuple[list[int], list[float]]]:
        """The tokens of each row, up to and including its stop token."""
        stop = set(self._stop.tolist())
        answers = []
        for tokens, logprobs in zip(self.tokens.tolist(), self.logprobs.tolist(), strict=True):
            length = next((place + 1 for place, token in enumerate(tokens) if token in stop), len(tokens))
            answers.append((tokens[:length], logprobs[:length]))
        return answers

    def _draw(self, scores: torch.Tensor, alive: torch.Tensor, step: int) -> torch.Tensor:
        """The next token of the rows `alive`, from their scores [rows, V]."""
        logprobs = (scores / (self._sampling.temperature or 1.0)).log_softmax(-1)
        if self._sampling.temperature == 0:
            token = logprobs.argmax(-1)
        else:
            cumulative = _nucleus(logprobs.exp(), self._sampling.top_p).double().cumsum(-1)
            goal = self._uniform[alive, step, None] * cumulative[:, -1:]
            token = torch.searchsorted(cumulative, goal, right=True)[:, 0].clamp(max=scores.shape[-1] - 1)
        self.tokens[alive, step] = token
        self.logprobs[alive, step] = logprobs.gather(-1, token[:, None])[:, 0]
        return token

    def _to(self, device: torch.device) -> None:
        for name, value in vars(self).items():
            if isinstance(value, torch.Tensor):
                setattr(self, name, value.to(device))


def _forward(
    model: PreTrainedModel, ids: torch.Tensor, state: dict[str, Any], **options: Any
) -> tuple[torch.Tensor, dict[str, Any]]:
    """Logits [B, V] of the next token, and the state after it: one step of the library's own loop."""
    output = model(**model.prepare_inputs_for_generation(ids, **options, **state), return_dict=True)
    after = model._update_model_kwargs_for_generation(output, state, is_encoder_decoder=model.config.is_encoder_decoder)
    return output.logits[:, -1], after


def _rows(state: dict[str, Any], rows: torch.Tensor) -> dict[str, Any]:
    """The generation state for `rows` of its batch, which may repeat. Pictures are no longer needed."""
    chosen: dict[str, Any] = {}
    for name, value in state.items():
        if name in PER_TOKEN and value is not None:
            chosen[name] = value.index_select(value.dim() - 2, rows)  # [B, L], and [3 or 4, B, L] for positions
        elif isinstance(value, bool | int | float | str | None):
            chosen[name] = value
    chosen["past_key_values"] = state["past_key_values"]
    chosen["past_key_values"].reorder_cache(rows)
    return chosen


def _nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """[B, V] with the tail beyond `top_p` set to 0; the most likely token always stays."""
    if top_p >= 1:
        return probabilities
    ordered, places = probabilities.sort(dim=-1, descending=True)
    tail = ordered.cumsum(-1) - ordered >= top_p
    return probabilities.scatter(-1, places, ordered.masked_fill(tail, 0.0))
