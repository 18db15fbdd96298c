"""A run's folder: what it was begun with, what it keeps, and when it may be discarded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from stages.core import artifact
from stages.core.errors import InputError
from stages.core.files import read_json, write_json, write_text
from stages.core.recipe import Recipe, dump
from stages.core.recipe.load import parse
from stages.iterate.opponents import number_of
from stages.iterate.state import State

RECIPE, MANIFEST = "recipe.yaml", artifact.MANIFEST
STAGE = "iterate"

# What may change when a run is taken up again: how long it goes on and what it keeps, not what a round does. Raising
# `rounds` also stretches the learning-rate schedule, unless train.total_updates fixes it.
MAY_CHANGE = (
    "iterate.rounds",
    "iterate.keep_checkpoints",
    "iterate.keep_every",
    "iterate.preflight",
    "iterate.entropy_warning",
    "evaluate",
)


def begin(out: Path, recipe: Recipe, inputs: dict[str, str], overwrite: bool) -> None:
    """Write what a new run is made from; a known one must have been begun with the same, or is discarded if told so."""
    if out.exists() and any(path for path in out.iterdir() if not path.name.startswith(".")):
        difference = _difference(out, recipe, inputs)
        if difference and not overwrite:
            raise InputError(
                f"{out}: this run was begun with another {difference}; go on with the same, choose another --out, "
                "or discard the run with --overwrite"
            )
        if difference:
            discard(out)
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / MANIFEST, {"format": artifact.FORMAT, "stage": STAGE, "inputs": inputs})
    write_text(out / RECIPE, dump(recipe))


def discard(out: Path) -> None:
    """Delete a run, by way of a hidden name, so that a kill leaves no half of it in its place."""
    gone = out.with_name(f".{out.name}.old")
    if gone.exists():
        shutil.rmtree(gone)
    out.rename(gone)
    shutil.rmtree(gone)


def prune(run: Path, recipe: Recipe, state: State) -> None:
    """Drop the checkpoints of finished rounds that the recipe does not keep. Their counts stand in `metrics.jsonl`."""
    keep = set(range(state.iteration - recipe.iterate.keep_checkpoints + 1, state.iteration + 1))
    if state.best:
        keep.add(int(state.best["iteration"]))
    if state.switched:
        keep.add(_round_of(run / state.switched))
    keep |= {number_of(name) for name in state.opponents}
    every = recipe.iterate.keep_every
    for folder in sorted(run.glob("round-*/checkpoint")):
        number = _round_of(folder)
        if number <= state.iteration and number not in keep and not (every and number % every == 0):
            shutil.rmtree(folder)


def _round_of(checkpoint: Path) -> int:
    return int(checkpoint.parent.name.removeprefix("round-"))


def _difference(out: Path, recipe: Recipe, inputs: dict[str, str]) -> str | None:
    """The first thing in which the run that lies at `out` differs, in words."""
    if not (out / MANIFEST).is_file() or read_json(out / MANIFEST).get("stage") != STAGE:
        raise InputError(f"{out}: exists and is no run of vz iterate; choose another --out")
    if not (out / RECIPE).is_file() or not any(out.glob("round-*")):
        return None  # killed between its first two files, or not past its preflight: it may begin with other settings
    before = parse(yaml.safe_load((out / RECIPE).read_text(encoding="utf-8")), str(out / RECIPE))
    for name, _ in sorted(_leaves(_compared(before)) ^ _leaves(_compared(recipe))):
        if not name.startswith(MAY_CHANGE):
            return f"value of '{name}'"
    known = read_json(out / MANIFEST)["inputs"]
    return next((f"content of its {name}" for name in inputs if known.get(name) != inputs[name]), None)


def _compared(recipe: Recipe) -> dict[str, Any]:
    return recipe.settings(*type(recipe).model_fields)


def _leaves(body: object, prefix: str = "") -> set[tuple[str, str]]:
    if not isinstance(body, dict):
        return {(prefix, repr(body))}
    return {leaf for key, value in body.items() for leaf in _leaves(value, f"{prefix}.{key}" if prefix else str(key))}
