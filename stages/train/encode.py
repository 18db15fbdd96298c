"""From rows to tensors, and the checks that need the processor and the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from stages.core import vlm
from stages.core.errors import InputError
from stages.train.logprobs import Spoken, Tokens
from stages.train.rows import Row

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin


@dataclass(frozen=True)
class Encoded:
    """A micro-batch of B rows: prompts left padded to P tokens, completions right padded to T."""

    spoken: Spoken  # its mask is all 0 in a row that only fills the batch
    anchors: torch.Tensor  # [B]; 1 for a row that only has a KL term
    logprobs: torch.Tensor  # [B, T], the sampler's
    advantages: torch.Tensor  # [B]
    pictures: dict[str, torch.Tensor]  # whatever else the processor made, extended over the completion


def encode_rows(processor: ProcessorMixin, rows: Sequence[Row], filler: Sequence[Row], device: torch.device) -> Encoded:
    """Encode `rows`, and `filler` rows that are masked: they keep shapes equal and count for nothing."""
    every = [*rows, *filler]
    made = dict(
        vlm.encode(processor, [row.prompt for row in every], [[p.load() for p in row.pictures] for row in every])
    )
    ids, mask = made.pop("input_ids"), made.pop("attention_mask")
    length = max(len(row.completion_ids) for row in every)
    completion_mask = torch.zeros((len(every), length), dtype=torch.long)
    for place, row in enumerate(rows):
        completion_mask[place, : len(row.completion_ids)] = 1
    spoken = Spoken(
        ids,
        mask,
        _padded([row.completion_ids for row in every], length, processor.tokenizer.pad_token_id, torch.long),
        completion_mask,
        torch.tensor([row.rules.min_tokens for row in every]),
        torch.tensor([row.rules.repetition_penalty for row in every]),
    )
    encoded: Encoded = _to(
        Encoded(
            spoken,
            torch.tensor([*(row.is_anchor for row in rows), *(False for _ in filler)], dtype=torch.long),
            _padded([row.logprobs for row in every], length, 0.0, torch.float32) * completion_mask,
            torch.tensor([*(row.advantage for row in rows), *(0.0 for _ in filler)], dtype=torch.float32),
            {name: _over_completion(name, value, ids, length) for name, value in made.items()},
        ),
        device,
    )
    return encoded


def check_prompts(processor: ProcessorMixin, rows: Sequence[Row], where: str) -> None:
    """`InputError` unless every prompt becomes exactly the tokens that the sampler saw. Equal prompts are made once."""
    seen: set[tuple[str, str, tuple[str, ...]]] = set()
    for row in rows:
        same = (row.prompt_sha256, repr(row.prompt), tuple(picture.ref for picture in row.pictures))
        if same in seen:
            continue
        seen.add(same)
        made = vlm.encode(processor, [row.prompt], [[picture.load() for picture in row.pictures]])
        (ids,) = vlm.unpadded(made["input_ids"], made["attention_mask"])
        if vlm.prompt_hash(ids) != row.prompt_sha256:
            raise InputError(
                f"{where}: {row.key}: its prompt becomes other tokens here than at sampling: {len(ids)}, where it was "
                f"{row.prompt_tokens} (prompt_sha256 differs); train with the processor, chat template, pixel limits "
                "and transformers version that played the games, "
                "or play them again"
            )


def check_completions(model: PreTrainedModel, rows: Sequence[Row], tokens: Tokens, where: str) -> None:
    """`InputError` for a token that the model and the rules of sampling do not allow where it stands."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    for row in rows:
        low, high = min(row.completion_ids), max(row.completion_ids)
        if low < 0 or high >= vocabulary:
            token = low if low < 0 else high
            raise InputError(
                f"{where}: {row.key}: token {token} is outside the model's vocabulary of {vocabulary}; "
                "was it played by another model?"
            )
        if not tokens.never.isdisjoint(row.completion_ids):
            raise InputError(f"{where}: {row.key}: its answer holds a token that stands for a picture; play again")
        if not tokens.stop.isdisjoint(row.completion_ids[: row.rules.min_tokens]):
            raise InputError(
                f"{where}: {row.key}: its answer ends before the {row.rules.min_tokens} tokens that the recipe's "
                f"rollout.min_{'clue' if row.phase == 'clue' else 'vote'}_tokens asks for, so the engine did not keep "
                "to it; play again with it set to 0, or with another engine"
            )


def _padded(values: Sequence[Sequence[float]], length: int, pad: float, dtype: torch.dtype) -> torch.Tensor:
    return torch.tensor([[*row, *[pad] * (length - len(row))] for row in values], dtype=dtype)


def _over_completion(name: str, value: torch.Tensor, ids: torch.Tensor, length: int) -> torch.Tensor:
    """Token types are given per prompt token; completions are text, type 0."""
    if name.endswith("token_type_ids"):
        return torch.cat([value, value.new_zeros((value.shape[0], length))], dim=1)
    if value.shape[:2] == ids.shape:
        raise InputError(
            f"the processor gives '{name}' for each token of a prompt, and vz does not know what it is for those of an "
            "answer: models of this family can play, but not train"
        )
    return value


def _to(value: Any, device: torch.device) -> Any:
    """`value` with all its tensors on the device."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {name: _to(part, device) for name, part in value.items()}
    return replace(value, **_to(vars(value), device))
