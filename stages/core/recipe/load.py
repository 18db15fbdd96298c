"""Finding, reading, overriding and writing recipes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from stages.core.errors import InputError, shortened
from stages.core.folder.content import MANIFEST
from stages.core.folder.files import read_json
from stages.core.folder.manifest import leaves, manifest_of
from stages.core.old_settings import REMOVED, held_values, modernised
from stages.core.printing.secret_values import shown_without_secrets
from stages.core.recipe.base import Section
from stages.core.recipe.schema import Recipe
from stages.core.recipe.served import is_served, split_place
from stages.core.user_code import is_user_file
from stages.core.yaml_text import parse_yaml, read_yaml

DEFAULT_RECIPE = "tiny"
_PROMPT_SETS = Path(__file__).resolve().parents[1] / "game/prompts"


def shared_folder(name: str) -> Path:
    """`recipes` or `data`: beside the packages in a checkout, inside them in an installed wheel."""
    packages = Path(__file__).resolve().parents[3]
    checkout, installed = packages / name, packages / "stages" / "_share" / name
    if (packages / "pyproject.toml").is_file() and checkout.is_dir():
        return checkout
    if installed.is_dir():
        return installed
    raise InputError(f"{installed}: missing, so the installation is incomplete; reinstall vz-selfplay")


def known_recipes() -> dict[str, Path]:
    """The recipes that come with vz, by name."""
    return {path.stem: path for path in sorted(shared_folder("recipes").glob("*.yaml"))}


def find_recipe(name: str) -> Path:
    """The file of a recipe, given by path or by the name of one that comes with vz."""
    path, known = Path(name), known_recipes()
    if path.is_file():
        return path
    if name in known:
        return known[name]
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise InputError(f"{name}: no such file; `vz recipe list` shows the recipes that come with vz")
    raise InputError(f"no recipe '{name}'{_nearest(name, known)}; `vz recipe list` shows those that come with vz")


def load(name: str = DEFAULT_RECIPE, overrides: Sequence[str] = (), dealt: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe and apply `section.key=value` overrides, whose values are YAML. `InputError` names what is wrong.

    `dealt` holds the rules that the games were dealt with. They apply where the recipe says nothing, and override the
    default recipe.
    """
    path = find_recipe(name)
    body = _with_whole_paths(read_yaml(path), path.parent)
    game = body.get("game")
    if dealt and (game is None or isinstance(game, dict)):
        body["game"] = game = {**(game or {}), **dealt} if name == DEFAULT_RECIPE else {**dealt, **(game or {})}
    if isinstance(game, dict) and (path.parent / str(game.get("prompts")) / "clue.j2").is_file():
        game["prompts"] = str((path.parent / game["prompts"]).resolve())
    for override in overrides:
        _override(body, override)
    body = _with_whole_paths(body, Path.cwd())
    return parse(body, f"{path} with the options given" if overrides else str(path))


def rules_of_games(folder: Path) -> dict[str, Any]:
    """The players, clue rounds and spy's view that a games folder was made for; empty for any other folder."""
    if not (folder / MANIFEST).is_file():
        return {}
    rules = manifest_of(folder).get("settings", {}).get("game", {})
    return {name: rules[name] for name in ("players", "clue_rounds", "spy_view") if name in rules}


def parse(body: dict[str, Any], where: str) -> Recipe:
    """A recipe from plain data, perhaps written by an earlier version. Errors name the source `where`."""
    body, removed = modernised(body), dict(leaves(REMOVED))
    for key, value in leaves(body):
        if key in removed:
            now = " or ".join(repr(each) for each in held_values(removed[key]))
            raise InputError(
                f"{where}: '{key}' was removed: it can only be {now} now, not {shortened(repr(value))}; leave it out"
            )
    try:
        return Recipe.model_validate(body)
    except ValidationError as error:
        raise InputError(f"{where}: {_explain(error)}") from error


def dump(recipe: Recipe) -> str:
    """The recipe as YAML, with every field."""
    body = recipe.model_dump(mode="json", by_alias=True)
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)


def resolve_model(name: str) -> str:
    """The folder or hub name of a model's weights.

    The folder of a `vz iterate` run means its latest checkpoint; `tiny-model` means the folder in `data/`.
    """
    if is_served(name):
        raise InputError(f"{name}: is a server's address, but weights are needed here; give a folder or a hub name")
    path = Path(name)
    if (path / "manifest.json").is_file():
        return _model_in_output(path)
    if path.exists():
        return name
    shipped = shared_folder("data") / name.removeprefix("data/")
    if shipped.is_dir():
        return str(shipped)
    if name.count("/") != 1:
        raise InputError(f"{name}: neither an existing folder nor a hub name (owner/name)")
    return name


def place_of(name: str | Path) -> str | Path:
    """Where a model is: a path for an existing folder; a hub name or a server's address unchanged."""
    if is_served(name):
        try:
            split_place(str(name))
        except ValueError as error:
            raise InputError(str(error)) from error
        return str(name)
    place = resolve_model(str(name))
    return Path(place).resolve() if Path(place).exists() else place


def _model_in_output(folder: Path) -> str:
    """The model in an output folder of vz."""
    manifest = read_json(folder / "manifest.json")
    stage = manifest.get("stage") if isinstance(manifest, dict) else None
    if stage is None:  # a file of this name that vz did not write
        return str(folder)
    if stage in {"train", "init-model"} or (stage == "export" and (folder / "config.json").is_file()):
        return str(folder)
    if stage != "iterate":
        raise InputError(f"{folder}: is an output of '{stage}', not a model")
    state = read_json(folder / "state.json") if (folder / "state.json").is_file() else {}
    if state.get("checkpoint") is None:
        raise InputError(f"{folder}: this run has no checkpoint yet")
    return str(folder / state["checkpoint"])


@cache
def prompt_folder(name: str) -> Path:
    """The folder of a prompt set: one that comes with vz, or your own. Cached, since each turn asks for it."""
    for folder in (_PROMPT_SETS / name, Path(name)):
        if (folder / "clue.j2").is_file() and (folder / "vote.j2").is_file():
            return folder
    known = sorted(folder.name for folder in _PROMPT_SETS.iterdir() if folder.is_dir())
    raise InputError(f"game.prompts: '{name}' is neither one of {known} nor a folder with clue.j2 and vote.j2")


def prompt_files(recipe: Recipe) -> dict[str, Path | str]:
    """The files, other than the model's, that turn a game into prompts. Stages that play take them as inputs."""
    found: dict[str, Path | str] = {"prompts": prompt_folder(recipe.game.prompts)}
    template = recipe.model.chat_template
    return found if template is None else {**found, "chat template": Path(template)}


def _with_whole_paths(value: Any, folder: Path) -> Any:
    """`value` with the paths of Python files made absolute: relative paths start at `folder`."""
    if isinstance(value, dict):
        return {key: _with_whole_paths(inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_whole_paths(inner, folder) for inner in value]
    return str((folder / value).resolve()) if is_user_file(value) else value


def _override(body: dict[str, Any], override: str) -> None:
    key, sign, text = override.partition("=")
    if not sign or not key.strip():
        raise InputError(
            f"--set {shortened(override)}: write it as section.key=value, for example rollout.temperature=0.7"
        )
    value = parse_yaml(text, f"--set {shortened(override)}")
    *sections, last = key.strip().split(".")
    for section in sections:
        if body.get(section) is None:
            body[section] = {}
        body = body[section]
        if not isinstance(body, dict):
            raise InputError(f"--set {shortened(override)}: '{shortened(section)}' is a value, not a section")
    body[last] = value


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = shortened(".".join(str(part) for part in first["loc"]))
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        return f"unknown key '{key}'{_nearest(name, _keys_at(first['loc'][:-1])) or _elsewhere(name)}"
    message, given = first["msg"].removeprefix("Value error, "), shortened(shown_without_secrets(first["input"]))
    if first["type"] in ("tuple_type", "list_type"):
        message = f"must be a list, such as [{shortened(str(first['input']))}]"
    return shortened(f"'{key}': {message} (given: {given})" if key else message, 500)


def _keys_at(location: Sequence[int | str]) -> list[str]:
    """The keys of the section at `location`; none if it is not a section."""
    section: object = Recipe()
    for part in location:
        section = getattr(section, str(part), None)
    if not isinstance(section, Section):
        return []
    return [field.alias or name for name, field in type(section).model_fields.items()]


def _elsewhere(name: str) -> str:
    """A hint at the section that has this key, if the wrong section, or none, was given."""
    sections = [section for section in Recipe.model_fields if name in _keys_at([section])]
    return f" (did you mean '{sections[0]}.{name}'?)" if sections else ""


def _nearest(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{found[0]}'?)" if found else ""
