"""What would fit: changes to the recipe, or more GPUs, each checked with the same estimate before vz suggests it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from stages.core.errors import InputError
from stages.core.estimate.forecast import Forecast, judged
from stages.core.estimate.machine import GIB, Machine
from stages.core.recipe import Recipe
from stages.core.recipe.load import parse
from stages.core.vlm.size import size_of

MOST = 3  # remedies that a message names
Changes = dict[str, object]
LORA: Changes = {"model.lora": {}}


def refusal(found: Forecast) -> str:
    """One message: the numbers, and what would fit."""
    fitting = list(islice(_fitting(found), MOST))
    advice = "; or ".join(fitting) if fitting else "no change to this recipe; use a smaller model or larger GPUs"
    return f"{found.machine.name}: {'; '.join(found.faults)}. What fits, by the same estimate: {advice}"


def changed(recipe: Recipe, changes: Changes) -> Recipe:
    """The recipe with changed values, by dotted key."""
    body = recipe.model_dump(mode="json", by_alias=True)
    for key, value in changes.items():
        *sections, last = key.split(".")
        inner = body
        for section in sections:
            inner = inner[section]
        inner[last] = value
    return parse(body, "recipe")


def _fitting(found: Forecast) -> Iterator[str]:
    """Remedies that fit with room to spare, starting with those that change results least."""
    known: list[Changes] = []
    for changes, machine in _candidates(found.recipe, found.machine):
        if machine == found.machine and any(changes.items() >= fewer.items() for fewer in known):
            continue  # fewer changes are enough
        try:
            recipe = changed(found.recipe, changes)
            size = found.size if recipe.model == found.recipe.model else size_of(found.place, recipe.model)
            tried = judged(found.place, recipe, machine, size, found.work, found.shards, found.plays)
        except InputError:
            continue
        if tried.fits and not tried.tight:
            known.append(changes)
            words = " ".join(f"--set {key}={_shown(value)}" for key, value in changes.items())
            number = "" if machine == found.machine else f"{machine.gpus} such GPUs with "
            yield f"{number}{words} ({tried.training.total / GIB:.0f} GiB to train)"


def _candidates(recipe: Recipe, machine: Machine) -> Iterator[tuple[Changes, Machine]]:
    """Single changes, then combinations, then more GPUs."""
    train = recipe.train
    half, fewer = ({"train.tokens_per_batch": max(1024, train.tokens_per_batch // part)} for part in (2, 4))
    lean: Changes = {"train.optimizer": "adamw_8bit"}
    away: Changes = {**lean, "train.offload_optimizer": True} if machine.is_gpu else {}
    checkpoint: Changes = {} if train.gradient_checkpointing else {"train.gradient_checkpointing": True}
    one: Changes = {"train.processes": machine.gpus} if train.processes > machine.gpus > 0 else {}
    for changes in (one, checkpoint, half, fewer, {**fewer, **checkpoint}, lean, {**lean, **fewer}, away):
        if changes:
            yield {**one, **changes}, machine
    split: Changes = {"train.accelerate_config": "fsdp2"}
    if machine.gpus > max(1, train.processes):
        yield {**split, "train.processes": machine.gpus}, machine
    adapter: Changes = {} if recipe.model.lora else LORA
    packed: Changes = {**adapter, "model.quantization": "4bit", "rollout.engine": "transformers"}
    plain: Changes = {"train.accelerate_config": None, "train.processes": 1} if train.processes > 1 else {}
    for changes in (
        adapter,
        {**adapter, **one},
        {**adapter, **fewer, **checkpoint},
        packed,
        {**packed, **fewer, **plain},
    ):
        if changes:
            yield changes, machine
    for number in (2, 4, 8, 16):
        if machine.is_gpu and number > machine.gpus and recipe.model.lora is None:
            yield {**split, "train.processes": number}, replace(machine, gpus=number)


def _shown(value: object) -> str:
    return "{}" if value == {} else str(value).lower() if isinstance(value, bool) else str(value)
