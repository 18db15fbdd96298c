"""From rows to the tensors of a micro-batch, and the checks that need the processor and the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.utils.rnn import pad_sequence

from stages.core import vlm
from stages.core.engines.picture_cache import PictureCache
from stages.core.errors import InputError
from stages.core.vlm.prompts import Prompt
from stages.train.logprobs import Completions, Tokens
from stages.train.rows import Row

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin


@dataclass(frozen=True)
class Batch:
    """A micro-batch of B rows: prompts left padded to P tokens, completions right padded to T.

    It may end with filler rows, whose mask is all 0: they keep the shapes of all processes equal and count for nothing.
    """

    completions: Completions
    pictures: dict[str, torch.Tensor]  # what else the processor made, extended over the completion
    advantages: torch.Tensor  # [B]
    sampled: torch.Tensor  # [B, T], the sampler's log-probs
    is_anchor: torch.Tensor  # [B], true for a row that has only a KL term
    is_corrected: torch.Tensor  # [B], true for a row that gets importance weights
    old: torch.Tensor | None = None  # [B, T], log π_old; None for the policy itself
    reference: torch.Tensor | None = None  # [B, T], log π_ref
    anchor_reference: torch.Tensor | None = None  # [B, T], log-probs that the KL of anchors is measured to

    @property
    def mask(self) -> torch.Tensor:
        """[B, T]: 1 for the tokens of completions."""
        return self.completions.mask


class Encoder:
    """Encodes rows with one processor. Each picture is decoded, hashed and processed once for all rows that show it."""

    def __init__(self, processor: ProcessorMixin) -> None:
        self.processor = processor
        self.pictures = PictureCache(processor.image_processor)
        processor.image_processor = self.pictures

    def prompt(self, row: Row) -> Prompt:
        """The row's prompt as the model gets it."""
        return vlm.encode_one(self.processor, row.prompt, self.pictures.load(row.pictures))

    def batch(
        self, rows: Sequence[Row], corrected: Sequence[bool], filler: Sequence[Row], device: torch.device
    ) -> Batch:
        """The tensors of `rows`, then of `filler`. `corrected` says which rows get importance weights."""
        every, pad = [*rows, *filler], self.processor.tokenizer.pad_token_id
        made = vlm.batch([self.prompt(row) for row in every], pad)
        prompt_ids, prompt_mask = made.pop("input_ids"), made.pop("attention_mask")
        ids = _padded([row.completion_ids for row in every], torch.long, pad)
        counts = torch.tensor([*([True] * len(rows)), *([False] * len(filler))])
        mask = _padded([[1] * len(row.completion_ids) for row in every], torch.long, 0) * counts[:, None]
        completions = Completions(
            prompt_ids.to(device),
            prompt_mask.to(device),
            ids.to(device),
            mask.to(device),
            torch.tensor([row.rules.min_tokens for row in every], device=device),
            torch.tensor([row.rules.repetition_penalty for row in every], device=device),
        )
        return Batch(
            completions,
            {name: _over_completion(name, value, prompt_ids, ids.shape[1]).to(device) for name, value in made.items()},
            (torch.tensor([row.advantage for row in every]) * counts).to(device),
            (_padded([row.logprobs for row in every], torch.float32, 0.0) * mask).to(device),
            (torch.tensor([row.is_anchor for row in every]) & counts).to(device),
            torch.tensor([*corrected, *([False] * len(filler))], device=device),
        )

    def check_prompts(self, rows: Sequence[Row], where: str) -> None:
        """`InputError` unless every prompt becomes exactly the tokens that the sampler saw. Checks equal ones once."""
        different: dict[object, Row] = {}
        for row in rows:
            different.setdefault((row.prompt_sha256, repr(row.prompt), row.pictures), row)
        for row in different.values():
            ids = self.prompt(row).ids
            if vlm.prompt_hash(ids) != row.prompt_sha256:
                raise InputError(
                    f"{where}: {row.key}: its prompt becomes other tokens here than at sampling: {len(ids)}, and "
                    f"{row.prompt_tokens} then (prompt_sha256 differs); train with the processor, chat template, pixel "
                    "limits and transformers version that played the games, or play them again"
                )


def check_completions(model: PreTrainedModel, rows: Sequence[Row], tokens: Tokens, where: str) -> None:
    """`InputError` for a token that the model or the rules of sampling do not allow in its place."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    for row in rows:
        outside = [token for token in row.completion_ids if not 0 <= token < vocabulary]
        if outside:
            raise InputError(
                f"{where}: {row.key}: token {outside[0]} is outside the model's vocabulary of {vocabulary}; "
                "was it played by another model?"
            )
        if not tokens.never.isdisjoint(row.completion_ids):
            raise InputError(f"{where}: {row.key}: its answer holds a token that stands for a picture; play again")
        if not tokens.stop.isdisjoint(row.completion_ids[: row.rules.min_tokens]):
            raise InputError(
                f"{where}: {row.key}: its answer ends before the {row.rules.min_tokens} tokens that the recipe's "
                f"rollout.min_{'clue' if row.phase == 'clue' else 'vote'}_tokens asks for, so the engine ignored this "
                "setting; play again with it set to 0, or with another engine"
            )


def _padded(values: Sequence[Sequence[float]], dtype: torch.dtype, pad: float) -> torch.Tensor:
    """[B, T]: the values, right padded."""
    return pad_sequence([torch.tensor(row, dtype=dtype) for row in values], batch_first=True, padding_value=pad)


def _over_completion(name: str, value: torch.Tensor, prompt_ids: torch.Tensor, length: int) -> torch.Tensor:
    """An input that has one value per prompt token, extended over the completion: token types are 0 (text) there."""
    if name.endswith("token_type_ids"):
        return torch.cat([value, value.new_zeros((value.shape[0], length))], dim=1)
    if value.shape[:2] == prompt_ids.shape:
        raise InputError(
            f"the processor gives '{name}' for each token of a prompt, and vz does not know its values for the tokens "
            "of an answer: models of this family can play, but not train"
        )
    return value
