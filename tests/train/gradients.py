"""One update's gradient, computed from trees or row by row, with the stage's own parts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from stages.core.engines.processing import Processing
from stages.core.recipe import Recipe
from stages.train.accelerate_file import WHOLE
from stages.train.agreement import difference, sample
from stages.train.encode import Batch, Encoder
from stages.train.layout import Layout
from stages.train.logprobs import Tokens, add_head, completion_logprobs
from stages.train.loss import loss_of
from stages.train.plan import MicroBatch, micro_batches, packs_of, size_of, updates_of, work_of
from stages.train.policy import load_policy, load_reference, trainable
from stages.train.rows import Row, read_rows, sampling_of
from stages.train.tree import FORMS, Form
from tests.train.world import World

CPU = torch.device("cpu")


class Update:
    """All rows of a world in one update, with KL to a reference and with anchors."""

    def __init__(self, rows: World, recipe: Recipe, reference: Path | None = None) -> None:
        self.recipe, model = recipe, str(rows.model)
        self.encoder = Encoder(Processing(model, recipe.model))
        read = read_rows(rows.kept, rows.rollouts, rows.games, "grpo")
        self.rows: list[Row] = [replace(row, is_anchor=number % 4 == 3) for number, row in enumerate(read)]
        self.lines = self.encoder.lines(self.rows, by_size=True)
        self.policy = load_policy(recipe, model, model, WHOLE, CPU)
        self.reference = load_reference(recipe, str(reference), WHOLE, CPU) if reference else None
        tokens = Tokens.of(self.policy, self.encoder.processor)
        for one in (self.policy, self.reference):
            if one is not None:
                add_head(one, sampling_of(rows.rollouts).temperature, tokens)
        self.layouts = {form: Layout(self.policy, form) for form in FORMS}

    def batch(self, micro_batch: MicroBatch, form: Form) -> Batch:
        corrected = [False] * len(self.rows)
        layout = None if form == "rows" else self.layouts[form]
        return self.encoder.batch(self.rows, micro_batch, corrected, layout, torch.float32, CPU)

    def logprobs(self, batch: Batch) -> torch.Tensor:
        return completion_logprobs(self.policy, batch)[0]

    def frozen(self, batch: Batch) -> torch.Tensor:
        with torch.no_grad():
            if self.reference is not None:
                return completion_logprobs(self.reference, batch)[0]
            with self.policy.disable_adapter():
                return completion_logprobs(self.policy, batch)[0]

    def gradients(self, form: Form, budget: int) -> dict[str, torch.Tensor]:
        """By weight. `budget` 1 computes each tree, or each row, alone."""
        self.policy.zero_grad()
        (packs,) = packs_of(updates_of(len(self.rows), None), self.lines, budget, 1, form)
        size = size_of(self.rows, packs, 16)
        for micro_batch in micro_batches([packs], 1, 0):
            batch = self.batch(micro_batch, form)
            reference = self.frozen(batch)
            batch = replace(batch, reference=reference, anchor_reference=reference)
            loss_of(batch, self.logprobs(batch), size, self.recipe.train).backward()
        return {name: weight.grad.clone() for name, weight in trainable(self.policy).items() if weight.grad is not None}

    def sharing(self, form: Form) -> float:
        """Tokens of trees over those of plain rows."""
        (packs,) = packs_of(updates_of(len(self.rows), None), self.lines, 4096, 1, form)
        work = work_of(packs)
        return work["tree_tokens"] / work["row_tokens"]

    def trial(self, form: Form) -> str | None:
        """The stage's own check of trees against plain rows."""
        (packs,) = packs_of(updates_of(len(self.rows), None), self.lines, 4096, 1, form)
        trees, plain = sample(micro_batches([packs], 1, 0), form)
        logprobs = partial(completion_logprobs, self.policy)
        with torch.no_grad():
            return difference(logprobs, partial(self.batch, trees, form), self.batch(plain, "rows"))


def apart(one: dict[str, Any], other: dict[str, Any]) -> float:
    """‖a − b‖ / ‖a‖ over all weights."""
    assert one.keys() == other.keys() and one
    total = sum(float(value.double().pow(2).sum()) for value in one.values())
    return (sum(float((one[name] - other[name]).double().pow(2).sum()) for name in one) / total) ** 0.5
