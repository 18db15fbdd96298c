"""The published data set's notes of what was replaced, read into our list of changes and scenes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.core.changes import Change
from stages.core.errors import InputError

ATTRIBUTES = ("shape", "size", "color", "material")


def read_comparison(body: Any, file: Path) -> tuple[list[Change], dict[str, Any], dict[str, Any]]:
    """Changes, original scene and modified scene of `{original_scene, modification: {replaced_objects}}`.

    `InputError` names the file and the part that is not as published.
    """
    if not isinstance(body, Mapping):
        raise InputError(f"{file}: is no note of a comparison; remove it or take the published one")
    scene = _part(body, "original_scene", file)
    objects = scene.get("objects")
    replaced = _part(body, "modification", file).get("replaced_objects")
    if not isinstance(objects, list) or not isinstance(replaced, list):
        raise InputError(f"{file}: 'original_scene.objects' or 'modification.replaced_objects' is missing")
    changes: list[Change] = []
    after = list(objects)
    for entry in replaced:
        number, before, new = _replacement(entry, len(objects), file)
        after[number] = {**before, **new}
        changes += [
            Change(number, name, str(before[name]), str(new[name]))
            for name in ATTRIBUTES
            if name in before and name in new and before[name] != new[name]
        ]
    return changes, dict(scene), {**scene, "objects": after}


def _part(body: Mapping[str, Any], key: str, file: Path) -> Mapping[str, Any]:
    part = body.get(key)
    if not isinstance(part, Mapping):
        raise InputError(f"{file}: '{key}' is missing; remove the note or take the published one")
    return part


def _replacement(entry: Any, count: int, file: Path) -> tuple[int, Mapping[str, Any], Mapping[str, Any]]:
    if isinstance(entry, Mapping):
        number, before, after = entry.get("index"), entry.get("original"), entry.get("replacement")
        if (
            isinstance(number, int)
            and 0 <= number < count
            and isinstance(before, Mapping)
            and isinstance(after, Mapping)
        ):
            return number, before, after
    raise InputError(f"{file}: an entry of 'replaced_objects' lacks index (0 to {count - 1}), original or replacement")
