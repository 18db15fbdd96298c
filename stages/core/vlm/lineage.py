"""The model that another model was trained from, as recorded in vz's folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.folder.content import MANIFEST
from stages.core.folder.files import read_json
from stages.core.recipe.load import place_of
from stages.core.recipe.model import Model as ModelRecipe
from stages.core.recipe.served import is_served
from stages.core.vlm.adapters import base_of_adapter, is_adapter

_MADE_FROM = {"train": ("base",), "export": ("base", "checkpoint")}  # inputs by stage, with the base itself first


def base_of(place: str | Path, recipe: ModelRecipe) -> str | Path:
    """The base of a trained model: an adapter's base, or the one that training or export recorded.

    `InputError` for a model whose base is unknown.
    """
    if not is_served(place) and is_adapter(place):
        return place_of(base_of_adapter(place, recipe))
    made = _manifest(place)
    inputs = made.get("inputs", {})
    for name in _MADE_FROM.get(str(made.get("stage")), ()):
        if name in inputs:
            found = _placed(Path(place), str(inputs[name]["path"]))
            return found if name == "base" else base_of(found, recipe)
    raise InputError(f"{place}: does not say which model it was trained from; name it with --base")


def _manifest(place: str | Path) -> dict[str, Any]:
    path = Path(place) / MANIFEST
    found: dict[str, Any] = read_json(path) if not is_served(place) and path.is_file() else {}
    return found


def _placed(folder: Path, recorded: str) -> str | Path:
    """Where a recorded input is now: relative to the folder, or a hub name."""
    beside = (folder.resolve() / recorded).resolve()
    if beside.exists():
        return beside
    if recorded.startswith(("..", "/")):
        raise InputError(f"{folder}: its base {beside} is missing; give its location with --base")
    return place_of(recorded)
