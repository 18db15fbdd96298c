"""A run's folder: what the run began with, what it keeps, and when it may be discarded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages import make_games
from stages.core.errors import InputError
from stages.core.folder.artifact import FORMAT, MANIFEST
from stages.core.folder.content import content_hash, known_as
from stages.core.folder.files import delete_folder, sha256_text, to_json, write_json, write_text
from stages.core.folder.manifest import differences, read_manifest
from stages.core.recipe import Recipe, dump
from stages.core.recipe.load import parse, prompt_files
from stages.core.user_code import is_user_file
from stages.core.yaml_text import read_yaml
from stages.iterate.recovery import damaged
from stages.outside.prompts import texts_of

RECIPE, STAGE = "recipe.yaml", "iterate"
MADE = "made_games"  # in the manifest: the content of the games that the run made for itself
PROMPTS = {"prompts", "chat template"}  # inputs that may be edited during a run


def inputs_of(recipe: Recipe, base: str | Path, games: Path | None) -> dict[str, str]:
    """What a run is made from, by content: its base model, prompts, user files, other policies, and games if given."""
    read = {"base": base, **prompt_files(recipe), **recipe.user_files()} | ({"games": games} if games else {})
    if recipe.train.outside_rows:
        read["texts outside the game"] = texts_of(recipe)
    seats = {f"policy of the {role}": known_as(policy) for role, policy in recipe.rollout.seats.model_dump().items()}
    return {"games": "made by the run", **{name: content_hash(place) for name, place in read.items()}, **seats}


def prompts_version(recipe: Recipe) -> str:
    """A short hash of the current prompts."""
    return sha256_text(to_json({name: content_hash(place) for name, place in prompt_files(recipe).items()}))[:12]


def begin(out: Path, recipe: Recipe, inputs: dict[str, str], *, overwrite: bool, new_prompts: bool) -> None:
    """Write what the run is made from. An existing run must be made from the same.

    If it is not, `overwrite` discards it, and `new_prompts` lets it continue if only its prompts differ.
    """
    made = {}
    if has_begun(out):
        difference, only_prompts = _difference(out, recipe, inputs)
        if not difference or (only_prompts and new_prompts):
            made = {name: value for name, value in read_manifest(out).items() if name == MADE}
        elif overwrite:
            delete_folder(out)
        else:
            raise InputError(
                f"{out}: this run began with other settings or inputs ({difference}); use those again, "
                + ("continue with the new prompts from the next round with --new-prompts, " if only_prompts else "")
                + "choose another --out, or discard the run with --overwrite"
            )
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / MANIFEST, {"format": FORMAT, "stage": STAGE, "inputs": inputs, **made})
    write_text(out / RECIPE, dump(recipe))


def refuse_edited_files(out: Path, recipe: Recipe, inputs: dict[str, str]) -> None:
    """`InputError` for an edited prompt or user file. A run uses the files that it read at its start."""
    for name, place in {**prompt_files(recipe), **recipe.user_files()}.items():
        if content_hash(place) != inputs[name]:
            remedy = ", or continue with the new ones with --new-prompts" if name in PROMPTS else ""
            raise InputError(
                f"{place}: edited while {out} was running ({name}); undo the edit and repeat the command{remedy}"
            )


def has_begun(out: Path) -> bool:
    return out.exists() and any(path for path in out.iterdir() if not path.name.startswith("."))


def own_games(out: Path, recipe: Recipe, *, full: bool, overwrite: bool) -> Path:
    """The games that the run makes for itself, once. Later only their content counts, not how vz would make them today.

    Lost pictures are drawn again. `InputError` if they come out different.
    """
    folder, manifest = out / "games", read_manifest(out)
    known = manifest.get(MADE)
    if known is None and not (has_rounds(out) and (folder / MANIFEST).is_file()):
        make_games.run(recipe, folder, overwrite=overwrite)
    elif known is not None and damaged(folder, full=full):
        make_games.run(recipe, folder, overwrite=True)
    found = content_hash(folder)
    if known not in (None, found):
        raise InputError(
            f"{folder}: no longer has the games that the run began with, and drawing them again gives other ones; "
            "restore them from a copy, or discard the run with --overwrite"
        )
    write_json(out / MANIFEST, {**manifest, MADE: found})
    return folder


def has_rounds(out: Path) -> bool:
    return any(out.glob("round-*"))


def _difference(out: Path, recipe: Recipe, inputs: dict[str, str]) -> tuple[str, bool]:
    """How the run at `out` differs, in words ("" if it does not), and whether only its prompts differ."""
    if not (out / MANIFEST).is_file() or read_manifest(out).get("stage") != STAGE:
        raise InputError(f"{out}: exists and is not a run of vz iterate; choose another --out")
    if not (out / RECIPE).is_file() or not has_rounds(out):
        return "", False  # killed before round 1: the run may begin with other settings
    body = read_yaml(out / RECIPE)
    for key, file in recipe.user_files().items():  # known by content, wherever they are
        section, name = key.split(".")
        held = body.get(section)
        if isinstance(held, dict) and is_user_file(held.get(name)):
            held[name] = str(file)
    began = parse(body, str(out / RECIPE))
    manifest = read_manifest(out)
    known = manifest["inputs"]
    if manifest["format"] < FORMAT:  # earlier versions named fewer inputs
        inputs = {name: inputs[name] for name in known if name in inputs}
    made = {"settings": _settings(began), "inputs": known, "format": FORMAT}
    now = {"settings": _settings(recipe), "inputs": inputs, "format": FORMAT}
    other = {name for name in {**known, **inputs} if known.get(name) != inputs.get(name)}
    return differences(made, now), made["settings"] == now["settings"] and other <= PROMPTS


def _settings(recipe: Recipe) -> dict[str, Any]:
    """What a round depends on, without what `inputs_of` knows by content. Evaluations and benchmarks may change at any
    time."""
    body = recipe.settings(*(set(type(recipe).model_fields) - {"evaluate", "benchmark"}))
    del body["rollout"]["seats"]
    return body
