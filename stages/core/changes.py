"""What differs between the two pictures of a pair, as values and in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DESCRIBED_BY = ("size", "color", "material", "shape")  # in the order of English adjectives


@dataclass(frozen=True)
class Change:
    """An attribute of an object that differs between the two pictures. `object` is its number in the scene or table."""

    object: int
    attribute: str
    before: str
    after: str


@dataclass(frozen=True)
class Line:
    """All changes of one object or row, in words: its number, what it is (empty if unknown), and what changed."""

    thing: str  # object, or row of a chart's table
    number: int
    description: str
    changes: str

    @property
    def text(self) -> str:
        return f"{self.thing} {self.number}{f' ({self.description})' if self.description else ''}: {self.changes}"


def change_lines(changes: Sequence[Mapping[str, Any]] | None, scene: Mapping[str, Any]) -> list[Line]:
    """A pair's change log: one line for each changed object, ordered by number."""
    by_object: dict[int, list[str]] = {}
    for change in changes or ():
        by_object.setdefault(change["object"], []).append(_in_words(change))
    thing = "row" if isinstance(scene.get("table"), dict) else "object"
    return [Line(thing, at, _description(scene, at), ", ".join(what)) for at, what in sorted(by_object.items())]


def scene_of(text: str | None) -> Mapping[str, Any]:
    """A scene's JSON; empty if there is none or it cannot be read."""
    try:
        scene = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return scene if isinstance(scene, dict) else {}


def item_of(values: Any, number: int) -> Any:
    """The item of a list; None if it is not a list, or too short."""
    return values[number] if isinstance(values, list) and 0 <= number < len(values) else None


def _in_words(change: Mapping[str, Any]) -> str:
    if not change["before"]:  # `after` is the instruction given to the picture's editor
        return f"{change['attribute']}: {change['after']}"
    return f"{change['attribute']} {change['before']} → {change['after']}"


def _description(scene: Mapping[str, Any], number: int) -> str:
    """An object as its scene describes it, such as "large red metal cube", or the label of a table's row."""
    table = scene.get("table")
    if isinstance(table, dict):
        return str(item_of(table.get("labels"), number) or "")
    known = item_of(scene.get("objects"), number)
    if not isinstance(known, dict):
        return ""
    return " ".join(str(known[name]) for name in DESCRIBED_BY if known.get(name))
