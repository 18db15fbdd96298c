"""Finding, reading, overriding and writing recipes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from stages.core.errors import InputError
from stages.core.folder.differences import leaves
from stages.core.folder.files import read_json
from stages.core.recipe.schema import Recipe
from stages.core.recipe.served import is_served, split_place
from stages.core.removed import REMOVED, without_removed
from stages.core.user_code import is_user_file

DEFAULT_RECIPE = "tiny"


def shared_folder(name: str) -> Path:
    """`recipes` or `data`: beside the packages in a checkout, inside them in an installed wheel."""
    packages = Path(__file__).resolve().parents[3]
    checkout, installed = packages / name, packages / "stages" / "_share" / name
    if (packages / "pyproject.toml").is_file() and checkout.is_dir():
        return checkout
    if installed.is_dir():
        return installed
    raise InputError(f"{installed}: missing; the installation is not whole: install vz-selfplay again")


def known_recipes() -> dict[str, Path]:
    return {path.stem: path for path in sorted(shared_folder("recipes").glob("*.yaml"))}


def find_recipe(name: str) -> Path:
    """A recipe by file name or by the name of one that comes with vz."""
    path = Path(name)
    if path.is_file():
        return path
    known = known_recipes()
    if name in known:
        return known[name]
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise InputError(f"{name}: no such file; `vz recipe list` shows the recipes that come with vz")
    raise InputError(f"no recipe '{name}'{_nearest(name, known)}; `vz recipe list` shows those that come with vz")


def load(name: str = DEFAULT_RECIPE, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply `section.key=value` overrides (values are YAML). `InputError` names what is off."""
    path = find_recipe(name)
    body = _with_whole_paths(_read_yaml(path), path.parent)
    for override in overrides:
        _override(body, override)
    body = _with_whole_paths(body, Path.cwd())
    return parse(body, f"{path} with the options given" if overrides else str(path))


def parse(body: dict[str, Any], where: str) -> Recipe:
    """Validate plain data as a recipe. Removed fields may stand in it with the value that holds now."""
    body, held = without_removed(body), dict(leaves(REMOVED))
    for key, value in leaves(body):
        if key in held:
            raise InputError(
                f"{where}: '{key}' was removed; it is always {held[key]!r} now, so {value!r} would have no effect: "
                "leave it out"
            )
    try:
        return Recipe.model_validate(body)
    except ValidationError as error:
        raise InputError(f"{where}: {_explain(error)}") from error


def dump(recipe: Recipe) -> str:
    """The resolved recipe as YAML, every field present."""
    body = recipe.model_dump(mode="json", by_alias=True)
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=100)


def resolve_model(name: str) -> str:
    """A model's place: a run of iterate stands for its latest checkpoint, `tiny-model` for the folder in `data/`."""
    if is_served(name):
        raise InputError(f"{name}: is a server's address, but weights are needed here: give a folder or a hub name")
    if (Path(name) / "manifest.json").is_file():
        return _made_by_vz(Path(name))
    if Path(name).exists():
        return name
    shipped = shared_folder("data") / name.removeprefix("data/")
    if shipped.is_dir():
        return str(shipped)
    if name.count("/") != 1:
        raise InputError(f"{name}: no such folder, and no name of a model on the hub (owner/name)")
    return name


def place_of(name: str | Path) -> str | Path:
    """Where a model lies: an existing folder as a path, anything else as a hub name, or a server's address as it is."""
    if is_served(name):
        try:
            split_place(str(name))
        except ValueError as error:
            raise InputError(str(error)) from error
        return str(name)
    place = resolve_model(str(name))
    return Path(place).resolve() if Path(place).exists() else place


def _made_by_vz(folder: Path) -> str:
    stage = read_json(folder / "manifest.json").get("stage")
    if stage != "iterate":
        if stage not in {"train", "init-model"}:
            raise InputError(f"{folder}: is an output of '{stage}', not a model")
        return str(folder)
    state = read_json(folder / "state.json") if (folder / "state.json").is_file() else {}
    if state.get("checkpoint") is None:
        raise InputError(f"{folder}: this run has made no checkpoint yet")
    return str(folder / state["checkpoint"])


def prompt_folder(name: str) -> Path:
    """The templates of a prompt set: its name, or a folder of one's own."""
    sets = Path(__file__).resolve().parents[1] / "game" / "prompts"
    for folder in (sets / name, Path(name)):
        if (folder / "clue.j2").is_file() and (folder / "vote.j2").is_file():
            return folder
    known = sorted(folder.name for folder in sets.iterdir() if folder.is_dir())
    raise InputError(f"game.prompts: '{name}' is neither one of {known} nor a folder with clue.j2 and vote.j2")


def prompt_files(recipe: Recipe) -> dict[str, Path | str]:
    """What turns a game into prompts, besides the model: inputs of whatever plays, known by their content."""
    found: dict[str, Path | str] = {"prompts": prompt_folder(recipe.game.prompts)}
    template = recipe.model.chat_template
    return found if template is None else {**found, "chat template": Path(template)}


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: not a readable YAML file ({' '.join(str(error).split())})") from error
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise InputError(f"{path}: a recipe is a mapping of sections, but this is a {type(body).__name__}")
    return body


def _with_whole_paths(value: Any, folder: Path) -> Any:
    """`value` with every path of a Python file of the user's taken from `folder`, where it is relative."""
    if isinstance(value, dict):
        return {key: _with_whole_paths(inner, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_whole_paths(inner, folder) for inner in value]
    return str((folder / value).resolve()) if is_user_file(value) else value


def _override(body: dict[str, Any], override: str) -> None:
    key, sign, text = override.partition("=")
    if not sign or not key.strip():
        raise InputError(f"--set {override}: write it as section.key=value, for example rollout.temperature=0.7")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"--set {override}: '{text}' is not a YAML value") from error
    *parents, last = key.strip().split(".")
    for parent in parents:
        if body.get(parent) is None:
            body[parent] = {}
        body = body[parent]
        if not isinstance(body, dict):
            raise InputError(f"--set {override}: '{parent}' is a value, not a section")
    body[last] = value


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        return f"unknown key '{key}'{_nearest(name, _siblings(first['loc'])) or _elsewhere(name)}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] in ("tuple_type", "list_type"):
        message = f"must be a list, such as [{first['input']}]"
    return f"'{key}': {message} (given: {first['input']!r})" if key else message


def _siblings(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] | None = Recipe
    for part in location[:-1]:
        field = model.model_fields.get(str(part)) if model else None
        model = field.annotation if field and isinstance(field.annotation, type) else None
        if model is not None and not issubclass(model, BaseModel):
            model = None
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _elsewhere(name: str) -> str:
    """The section that has a key of this name, where it was given without."""
    sections = [key for key in Recipe.model_fields if name in _siblings((key, name))]
    return f" (did you mean '{sections[0]}.{name}'?)" if sections else ""


def _nearest(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{found[0]}'?)" if found else ""
