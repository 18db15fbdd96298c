"""Encodes rows as the tensors of a micro-batch. Has the checks that need the processor and the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.utils.rnn import pad_sequence

from stages.core import vlm
from stages.core.clock import clock
from stages.core.engines.processing import Processing
from stages.core.errors import InputError
from stages.core.pictures import Picture, blank_ref
from stages.core.vlm.prompts import Prompt
from stages.core.vlm.tokens import image_tokens, picture_tokens
from stages.train.features import Inputs, Key, Shown, key_of
from stages.train.layout import Layout
from stages.train.logprobs import Completions, Tokens
from stages.train.plan import MicroBatch
from stages.train.rows import Row
from stages.train.tree import Line, Tree

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Batch:
    """A micro-batch of B completions of up to T tokens, and what the model computes them from."""

    completions: Completions
    inputs: dict[str, torch.Tensor | dict[str, torch.Tensor]]  # of the model's forward pass, without pictures of trees
    shown: Shown | None  # pictures of trees, each once; None for plain rows, whose pictures are in `inputs`
    mask_dtype: torch.dtype  # of attention masks: the same as in the arithmetic
    advantages: torch.Tensor  # [B]
    sampled: torch.Tensor  # [B, T], the sampler's log-probs
    is_anchor: torch.Tensor  # [B], true for a row that has only the anchors' KL term
    is_outside: torch.Tensor  # [B], true for a row that has only the KL term outside the game
    is_corrected: torch.Tensor  # [B], true for a row that gets importance weights
    old: torch.Tensor | None = None  # [B, T], log π_old; None for the policy itself
    reference: torch.Tensor | None = None  # [B, T], log π_ref
    anchor_reference: torch.Tensor | None = None  # [B, T], log-probs that the KL of anchors is measured to

    @property
    def learns(self) -> torch.Tensor:
        """[B]: true for a row that has a policy term."""
        return ~(self.is_anchor | self.is_outside)

    @property
    def mask(self) -> torch.Tensor:
        """[B, T]: 1 for the tokens of completions; all 0 if nothing of the micro-batch counts."""
        return self.completions.mask


class Encoder:
    """Encodes rows. It encodes each prompt once, and decodes, hashes and processes each picture once."""

    def __init__(self, processing: Processing) -> None:
        self._processing, self.processor = processing, processing.processor
        self._marks = picture_tokens(self.processor) | image_tokens(self.processor)
        self._ids: dict[object, list[int]] = {}  # of prompts, by what they are made from

    def prompt(self, row: Row) -> Prompt:
        """The row's prompt as the model gets it. `InputError` for inputs whose values for answers vz does not know."""
        prompt = self._processing.prompt(row.prompt, row.pictures)
        for name, value in prompt.pictures.items():
            if value.shape[:2] == (1, len(prompt.ids)):
                raise InputError(
                    f"the processor gives '{name}' for each token of a prompt, and vz does not know its values for the "
                    "tokens of an answer: models of this family can play, but not train"
                )
        return prompt

    @clock.part("encoding rows")
    def lines(self, rows: Sequence[Row], *, by_size: bool) -> list[Line]:
        """The tokens of all rows. `InputError` unless every prompt becomes exactly the tokens that the sampler saw.

        With `by_size`, this process does not prepare pictures that others train on: a prompt's tokens depend only on
        their sizes, so empty pictures take their places.
        """
        numbers = {key: place for place, key in enumerate(sorted({key_of(row.pictures) for row in rows}))}
        return [self._line(self._checked_ids(row, by_size), row, numbers[key_of(row.pictures)]) for row in rows]

    def _checked_ids(self, row: Row, by_size: bool) -> list[int]:
        """The prompt's token ids."""
        if (same := _same(row)) not in self._ids:
            shown = [Picture(one.folder, blank_ref(*one.size()), None) if by_size else one for one in row.pictures]
            ids = self.prompt(replace(row, pictures=tuple(shown))).ids
            if by_size and vlm.prompt_hash(ids) != row.prompt_sha256:
                ids = self.prompt(row).ids
            if vlm.prompt_hash(ids) != row.prompt_sha256:
                raise InputError(
                    f"{row.name}: its prompt becomes different tokens here than at sampling: {len(ids)}, and "
                    f"{row.prompt_tokens} then (prompt_sha256 differs); train with the processor, chat template, pixel "
                    "limits and transformers version that played the games, or play them again"
                )
            self._ids[same] = ids
        return self._ids[same]

    def _line(self, ids: list[int], row: Row, number: int) -> Line:
        marked = [place for place, token in enumerate(ids) if token in self._marks]
        if row.pictures and not marked:  # nothing shows where the picture stands
            marked = [0, len(ids) - 1]
        span = range(marked[0], marked[-1] + 1) if row.pictures else range(0)
        inside = (-1 - token - (number << 32) for token in ids[span.start : span.stop])
        keys = (*ids[: span.start], *inside, *ids[span.stop :], *row.completion_ids[:-1])
        return Line(keys, len(ids), span)

    def batch(
        self,
        rows: Sequence[Row],
        micro_batch: MicroBatch,
        corrected: Sequence[bool],
        layout: Layout | None,
        dtype: torch.dtype,
        device: torch.device,
    ) -> Batch:
        """The tensors of a micro-batch. `rows` are the call's rows; `corrected` marks those with importance weights.

        `layout` is None for a model that takes only plain rows, left padded. `dtype` is the type of attention masks.
        """
        order = [branch.row for tree in micro_batch.trees for branch in tree.branches]
        chosen, pad = [rows[place] for place in order], self.processor.tokenizer.pad_token_id
        prompts, counts = self._prompts(chosen), int(micro_batch.counts)
        inputs: dict[str, Any]
        if layout is None:
            inputs, places = _plain(prompts, chosen, pad)
            shown = None
        else:
            flat = layout.flat(micro_batch.trees, prompts, [row.completion_ids[:-1] for row in chosen], pad)
            inputs = {"input_ids": flat.ids, "position_ids": flat.positions}
            inputs["attention_mask"] = layout.attention_mask(flat, micro_batch.trees, dtype, device)
            places = _before(micro_batch.trees, flat.ids.shape[1], prompts, chosen)
            shown = _shown(micro_batch.trees, prompts, chosen, layout.image_token)
        completions = Completions(
            ids=_padded([row.completion_ids for row in chosen], torch.long, pad),
            mask=_padded([[counts] * len(row.completion_ids) for row in chosen], torch.long, 0),
            places=places,
            prompt_ids=_padded([prompt.ids for prompt in prompts], torch.long, -1),
            min_tokens=torch.tensor([row.rules.min_tokens for row in chosen]),
            penalty=torch.tensor([row.rules.repetition_penalty for row in chosen]),
        )
        return Batch(
            completions.to(device),
            {name: value if isinstance(value, dict) else value.to(device) for name, value in inputs.items()},
            shown,
            dtype,
            (torch.tensor([row.advantage for row in chosen]) * counts).to(device),
            (_padded([row.logprobs for row in chosen], torch.float32, 0.0) * counts).to(device),
            torch.tensor([row.is_anchor and micro_batch.counts for row in chosen], device=device),
            torch.tensor([row.is_outside and micro_batch.counts for row in chosen], device=device),
            torch.tensor([corrected[place] and micro_batch.counts for place in order], device=device),
        )

    def _prompts(self, rows: Sequence[Row]) -> list[Prompt]:
        """The prompt of each row. Equal prompts are encoded once."""
        made: dict[object, Prompt] = {}
        for row in rows:
            if _same(row) not in made:
                made[_same(row)] = self.prompt(row)
        return [made[_same(row)] for row in rows]


def check_completions(model: PreTrainedModel, rows: Sequence[Row], tokens: Tokens) -> None:
    """`InputError` for a token that the model or the rules of sampling do not allow in its place."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    for row in rows:
        outside = [token for token in row.completion_ids if not 0 <= token < vocabulary]
        if outside:
            raise InputError(
                f"{row.name}: token {outside[0]} is outside the model's vocabulary of {vocabulary}; "
                "was it played by another model?"
            )
        if not tokens.never.isdisjoint(row.completion_ids):
            raise InputError(f"{row.name}: its answer contains a token that stands for a picture; play again")
        if not tokens.stop.isdisjoint(row.completion_ids[: row.rules.min_tokens]):
            raise InputError(
                f"{row.name}: its answer ends before the {row.rules.min_tokens} tokens that the recipe's "
                f"rollout.min_{'clue' if row.phase == 'clue' else 'vote'}_tokens asks for, so the engine ignored this "
                "setting; play again with it set to 0, or with another engine"
            )


def _same(row: Row) -> object:
    """Equal for rows whose prompts are equal."""
    return row.prompt_sha256, repr(row.prompt), row.pictures


def _plain(prompts: Sequence[Prompt], rows: Sequence[Row], pad: int) -> tuple[dict[str, Any], torch.Tensor]:
    """Inputs of plain rows, left padded, as the processor makes them; and `Completions.places`."""
    answers = [row.completion_ids[:-1] for row in rows]
    whole = [
        Prompt(
            [*prompt.ids, *answer],
            {name: [*types, *[0] * len(answer)] for name, types in prompt.types.items()},  # an answer is text, type 0
            prompt.pictures,
        )
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
    inputs: dict[str, Any] = dict(vlm.batch(whole, pad))
    length = inputs["input_ids"].shape[1]
    starts = [(number + 1) * length - len(answer) - 1 for number, answer in enumerate(answers)]
    return inputs, _padded([range(start, start + len(row.completion_ids))
                            for start, row in zip(starts, rows, strict=True)], torch.long, 0)  # fmt: skip


def _before(trees: Sequence[Tree], length: int, prompts: Sequence[Prompt], rows: Sequence[Row]) -> torch.Tensor:
    """[B, T]: see `Completions.places`."""
    paths = [[number * length + place for place in path] for number, tree in enumerate(trees) for path in tree.paths()]
    return _padded([path[len(prompt.ids) - 1 :] for path, prompt in zip(paths, prompts, strict=True)], torch.long, 0)


def _shown(trees: Sequence[Tree], prompts: Sequence[Prompt], rows: Sequence[Row], token: int | None) -> Shown | None:
    """The pictures of trees, and their order in the flat sequences."""
    inputs: dict[Key, Inputs] = {}
    tokens: dict[Key, int] = {}
    order: list[Key] = []
    branches = (branch for tree in trees for branch in tree.branches)
    for branch, prompt, row in zip(branches, prompts, rows, strict=True):
        if token is None or token not in prompt.ids or branch.shared > prompt.ids.index(token):
            continue
        key = key_of(row.pictures)
        inputs[key], tokens[key] = prompt.pictures, prompt.ids.count(token)
        order.append(key)
    return Shown(inputs, tokens, tuple(order)) if order else None


def _padded(values: Sequence[Sequence[float]], dtype: torch.dtype, pad: float) -> torch.Tensor:
    """[B, T]: the values, right padded."""
    return pad_sequence([torch.tensor(row, dtype=dtype) for row in values], batch_first=True, padding_value=pad)
