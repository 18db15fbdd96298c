"""The published data set's notes of what was replaced, read into our list of changes and scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from stages.core.changes import Change
from stages.core.errors import InputError

ATTRIBUTES = ("shape", "size", "color", "material")


class _Replaced(BaseModel):
    index: Annotated[int, Field(ge=0)]
    original: dict[str, Any]
    replacement: dict[str, Any]


class _Modification(BaseModel):
    replaced_objects: list[_Replaced]


class _Comparison(BaseModel):
    original_scene: dict[str, Any]
    modification: _Modification


def read_comparison(body: Any, file: Path) -> tuple[list[Change], dict[str, Any], dict[str, Any]]:
    """Changes, original scene and modified scene. `InputError` names the file and the part that is not as published."""
    try:
        note = _Comparison.model_validate(body)
        after = list(note.original_scene["objects"])
        changes: list[Change] = []
        for entry in note.modification.replaced_objects:
            before, new = entry.original, entry.replacement
            after[entry.index] = {**before, **new}
            changes += [
                Change(entry.index, name, str(before[name]), str(new[name]))
                for name in ATTRIBUTES
                if name in before and name in new and before[name] != new[name]
            ]
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise InputError(f"{file}: '{key}' is missing or wrong; remove the note or take the published one") from error
    except (KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"{file}: 'original_scene.objects' is missing, or lacks an object that was replaced"
        ) from error
    return changes, note.original_scene, {**note.original_scene, "objects": after}
