"""Tests, on loading, whether a processor and a model fit together, and which shortcuts are correct for them.

vz computes two small prompts of different length separately, and then together, left-padded and with two rows each.
Both ways must give the same distributions. Model families differ in how they place pictures, count positions and mask
padding. A mistake there is silent: answers get worse, and nothing fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from transformers import PreTrainedModel, ProcessorMixin

from stages.core import vlm
from stages.core.engines.base import Sampling
from stages.core.engines.decoding import Decoding
from stages.core.errors import InputError, VzError
from stages.core.game.prompting import Message

# Largest total variation allowed between the distributions of a prompt alone and in a batch. Half precision rounds
# differently in batches of other shapes; wrong padding causes far larger shifts.
LIMIT = {torch.float32: 1e-3}
LIMIT_HALF = 0.1
_Shown = tuple[list[Message], list[Image.Image]]  # a prompt's messages and its pictures
_TWO = Sampling(temperature=1.0, top_p=1.0, max_tokens=2, min_tokens=0, repetition_penalty=1.0)
_TEXTS = ("Which object is red?", "Players speak in turn about what they see. Seat 2 says: a red cube. Who is the spy?")
_SIZES = ((24, 24), (160, 40))  # they become different numbers of patches or tiles


@dataclass(frozen=True)
class Fit:
    """Which shortcuts are correct for a model and its processor. `notes` name the others."""

    joins: bool  # prompts encoded one by one can be joined into a batch
    shares: bool  # samples can share the computation of their prompt
    notes: tuple[str, ...] = ()


def check_fit(model: PreTrainedModel, processor: ProcessorMixin, place: str) -> Fit:
    """Try both shortcuts. `InputError` if processor and model do not fit, or left padding changes the answers."""
    pad, prompts = processor.tokenizer.pad_token_id, _trial()
    single = [dict(vlm.encode(processor, [message], [pictures])) for message, pictures in prompts]
    try:
        alone = torch.cat([_Recording([0], pad, False).distributions(model, inputs) for inputs in single])
    except torch.OutOfMemoryError:
        raise
    except (ValueError, IndexError, RuntimeError) as error:
        raise InputError(_misfit(place, model, processor, single[0], error)) from error
    both = dict(vlm.encode(processor, *map(list, zip(*prompts, strict=True))))
    limit = LIMIT.get(model.dtype, LIMIT_HALF)
    shares, gap = _shared(model, both, pad, alone, limit)
    if not shares:
        gap = _distance(_Recording([0, 1], pad, False).distributions(model, both), alone)
    if gap > limit:
        raise InputError(
            f"{place}: left padding changes the answers of {type(model).__name__}: the next-token distribution of "
            f"a padded prompt differs by {gap:.3g} (total variation; up to {limit} may be rounding). Prompts of "
            "different lengths cannot share a batch; use rollout.engine=vllm, which does not pad"
        )
    joined = joins(processor)
    return Fit(joined, shares, tuple(_notes(model, processor, joined, shares)))


class _Recording(Decoding):
    """Records whole distributions, and gives every row the same tokens, so that rows stay comparable."""

    def __init__(self, prompts: Sequence[int], pad_token: int, shares: bool) -> None:
        super().__init__(prompts, [0] * len(prompts), _TWO, [pad_token], shares)
        self._pad = pad_token
        self.recorded: list[torch.Tensor] = []

    def _draw(self, scores: torch.Tensor, alive: torch.Tensor, step: int) -> torch.Tensor:
        self.recorded.append(scores.softmax(-1).cpu())
        return self._token.expand(len(alive))

    def distributions(self, model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """[B, 2, V]: distributions of the first token, and of the second if the first prompt's last token repeats."""
        self._token = inputs["input_ids"][:1, -1].to(model.device)
        self.run(model, inputs, suppressed=[], pad_token=self._pad)
        return torch.stack(self.recorded, dim=1)


def _shared(
    model: PreTrainedModel, both: dict[str, torch.Tensor], pad: int, alone: torch.Tensor, limit: float
) -> tuple[bool, float]:
    """Whether rows that share their prompt's computation are correct, and by how much they differ."""
    try:
        shared = _Recording([0, 0, 1, 1], pad, True).distributions(model, both)
    except torch.OutOfMemoryError:
        raise
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        return False, float("inf")  # a family whose state cannot be split by rows
    gap = _distance(shared, alone.repeat_interleave(2, dim=0))
    return gap <= limit, gap


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().sum(-1).max()) / 2


def joins(processor: ProcessorMixin) -> bool:
    """Whether joined prompts equal prompts encoded together, and a picture's inputs do not depend on the text."""
    (_, shown), (other_message, _) = prompts = _trial()
    try:
        both = dict(vlm.encode(processor, *map(list, zip(*prompts, strict=True))))
        parts = [vlm.encode_one(processor, message, pictures) for message, pictures in prompts]
        other = vlm.encode_one(processor, other_message, shown)
        return _equal(both, vlm.batch(parts, processor.tokenizer.pad_token_id)) and _equal(
            parts[0].pictures, other.pictures
        )
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError, VzError):
        return False  # a processor whose picture inputs are not tensors


def _trial() -> list[_Shown]:
    """Two prompts of different lengths, whose pictures have different sizes."""
    shown = [Image.linear_gradient("L").resize(size).convert("RGB") for size in _SIZES]
    return [(_message(text), [picture]) for text, picture in zip(_TEXTS, shown, strict=True)]


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        isinstance(value, torch.Tensor) and value.shape == other[name].shape and torch.equal(value, other[name])
        for name, value in one.items()
    )


def _message(text: str) -> list[Message]:
    parts = [{"type": "text", "text": "Look."}, {"type": "image", "text": None}, {"type": "text", "text": text}]
    return [{"role": "user", "content": parts}]


def _misfit(
    place: str, model: PreTrainedModel, processor: ProcessorMixin, inputs: dict[str, torch.Tensor], error: Exception
) -> str:
    """The mismatch: the number of placeholders that the processor wrote, and the model's error."""
    placeholders = set(vlm.placeholder_tokens(model, processor))
    written = sum(token in placeholders for token in inputs["input_ids"][0].tolist())
    shapes = ", ".join(f"{name} {list(value.shape)}" for name, value in inputs.items() if value.dim() > 2)
    cause = " ".join(str(error).split())[:300] or type(error).__name__
    return (
        f"{place}: {type(processor).__name__} and {type(model).__name__} do not fit together: for one picture of "
        f"{_SIZES[0][0]}×{_SIZES[0][1]} pixels the processor wrote {written} placeholder token(s) and {shapes}, and "
        f"the model failed: {cause}. Check that this is the model's own processor, and that model.processor has the "
        "options it was trained with"
    )


def _notes(model: PreTrainedModel, processor: ProcessorMixin, joined: bool, shares: bool) -> list[str]:
    notes = []
    if not joined:
        notes.append(
            f"inputs of {type(processor).__name__} cannot be joined from single prompts, so vz prepares pictures again "
            "for every batch"
        )
    if not shares:
        notes.append(
            f"the state of {type(model).__name__} cannot be split by rows, so each sample computes its prompt again"
        )
    return notes
