"""A run's folder: what it was begun with, what it keeps, and when it may be discarded."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from stages import make_games
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.content import content_hash, known_as, spoilt
from stages.core.folder.files import read_json, sha256_text, to_json, write_json, write_text
from stages.core.recipe import Recipe, dump
from stages.core.recipe.load import parse, prompt_files
from stages.iterate.opponents import number_of
from stages.iterate.state import State

RECIPE, MANIFEST = "recipe.yaml", artifact.MANIFEST
STAGE = "iterate"
MADE = "made_games"  # in the manifest: the content of the games that the run made for itself
ABSENT = object()

PROMPTS = ("prompts", "chat template")  # of the inputs: those that a run may go on with after they were edited
SEAT = "policy of the {role}"


def inputs_of(recipe: Recipe, base: str | Path, games: Path | None) -> dict[str, str]:
    """What a run stands on, by content: its base model, its prompts, who else plays, and the games where given."""
    read = {"base": base, **prompt_files(recipe)} | ({"games": games} if games else {})
    hashes = {name: content_hash(place) for name, place in read.items()}
    seats = {SEAT.format(role=role): known_as(policy) for role, policy in recipe.rollout.seats.model_dump().items()}
    return {"games": "made by the run", **hashes, **seats}


def prompts_version(recipe: Recipe) -> str:
    """Of the prompts as they are now."""
    return sha256_text(to_json({name: content_hash(place) for name, place in prompt_files(recipe).items()}))[:12]


def begin(out: Path, recipe: Recipe, inputs: dict[str, str], *, overwrite: bool, new_prompts: bool) -> None:
    """Write what a new run is made from. A known run must have been begun with the same, or is discarded if asked for.

    With `new_prompts` it may go on with other prompts.
    """
    before: dict[str, Any] = {}
    if has_begun(out):
        difference, only_prompts = _difference(out, recipe, inputs)
        goes_on = difference is None or (only_prompts and new_prompts)
        if not goes_on and not overwrite:
            raise InputError(
                f"{out}: this run began with another {difference}; use that one again, "
                + ("continue with the new ones from the next round with --new-prompts, " if only_prompts else "")
                + "choose another --out, or discard the run with --overwrite"
            )
        if goes_on:
            before = read_json(out / MANIFEST)
        else:
            discard(out)
    out.mkdir(parents=True, exist_ok=True)
    made = {name: before[name] for name in [MADE] if name in before}
    write_json(out / MANIFEST, {"format": artifact.FORMAT, "stage": STAGE, "inputs": inputs, **made})
    write_text(out / RECIPE, dump(recipe))


def has_begun(out: Path) -> bool:
    return out.exists() and any(path for path in out.iterdir() if not path.name.startswith("."))


def own_games(out: Path, recipe: Recipe, *, full: bool, overwrite: bool) -> Path:
    """The games that the run makes for itself, once: later their content decides, not how they would be made today.

    Pictures that were lost are drawn again. `InputError` when they come out otherwise than they were.
    """
    folder, body = out / "games", read_json(out / MANIFEST)
    known = body.get(MADE)
    if known is None and not (_has_rounds(out) and (folder / MANIFEST).is_file()):
        make_games.run(recipe, folder, overwrite=overwrite)
    elif known is not None and _is_lost(folder, full):
        make_games.run(recipe, folder, overwrite=True)
    found = content_hash(folder)
    if known not in (None, found):
        raise InputError(
            f"{folder}: no longer holds the games that the run began with, and cannot draw them again as they "
            "were; restore them from a copy, or discard the run with --overwrite"
        )
    write_json(out / MANIFEST, {**body, MADE: found})
    return folder


def _is_lost(folder: Path, full: bool) -> bool:
    return not (folder / MANIFEST).is_file() or bool(spoilt(folder, read_json(folder / MANIFEST)["outputs"], full=full))


def _has_rounds(out: Path) -> bool:
    return any(out.glob("round-*"))


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
            (folder / MANIFEST).unlink(
                missing_ok=True
            )  # first, so that a kill leaves nothing that looks like an output
            shutil.rmtree(folder)


def _round_of(checkpoint: Path) -> int:
    return int(checkpoint.parent.name.removeprefix("round-"))


def _difference(out: Path, recipe: Recipe, inputs: dict[str, str]) -> tuple[str | None, bool]:
    """The first thing in which the run at `out` differs, in words, and whether only its prompts do."""
    if not (out / MANIFEST).is_file() or read_json(out / MANIFEST).get("stage") != STAGE:
        raise InputError(f"{out}: exists and is no run of vz iterate; choose another --out")
    if not (out / RECIPE).is_file() or not _has_rounds(out):
        return None, False  # killed between its first two files or before round 1: it may begin with other settings
    before = parse(yaml.safe_load((out / RECIPE).read_text(encoding="utf-8")), str(out / RECIPE))
    changed = sorted(_leaves(_compared(before)) ^ _leaves(_compared(recipe)))
    if changed:
        return f"value of '{changed[0][0]}'", False
    manifest = read_json(out / MANIFEST)
    known = manifest["inputs"]
    named = known if manifest["format"] < artifact.FORMAT else {**inputs, **known}  # earlier versions named fewer
    others = [name for name in named if known.get(name, ABSENT) != inputs.get(name, ABSENT)]
    others.sort(key=lambda name: name in PROMPTS)
    return (f"content of its {others[0]}" if others else None), bool(others) and others[0] in PROMPTS


def _compared(recipe: Recipe) -> dict[str, Any]:
    """What a round depends on, but for what `inputs_of` knows by content. Evaluations may change at any time."""
    body = recipe.settings(*(set(type(recipe).model_fields) - {"evaluate"}))
    del body["rollout"]["seats"]
    return body


def _leaves(body: object, prefix: str = "") -> set[tuple[str, str]]:
    if not isinstance(body, dict):
        return {(prefix, repr(body))}
    return {leaf for key, value in body.items() for leaf in _leaves(value, f"{prefix}.{key}" if prefix else str(key))}
