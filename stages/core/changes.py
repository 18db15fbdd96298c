"""What differs between the two pictures of a pair, as values and in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DESCRIBED_BY = ("size", "color", "material", "shape")  # in the order of English


@dataclass(frozen=True)
class Change:
    """One attribute of one thing (its number in the scene or table, from 0) that differs between the two pictures."""

    object: int
    attribute: str
    before: str
    after: str


@dataclass(frozen=True)
class Line:
    """What was changed in one thing: its number, what it was (empty if nobody knows), and the changes."""

    number: int
    thing: str
    changes: str

    @property
    def text(self) -> str:
        return f"object {self.number}{f' ({self.thing})' if self.thing else ''}: {self.changes}"


def change_lines(changes: Sequence[Mapping[str, Any]] | None, scene: Mapping[str, Any]) -> list[Line]:
    """The rows of a pair's change log, a line for each thing that changed, in the order of their numbers."""
    by_thing: dict[int, list[str]] = {}
    for change in changes or ():
        by_thing.setdefault(change["object"], []).append(_in_words(change))
    return [Line(number, _thing(scene, number), ", ".join(what)) for number, what in sorted(by_thing.items())]


def scene_of(text: str | None) -> Mapping[str, Any]:
    """A scene's JSON; empty where there is none or it is of no use for looking."""
    try:
        scene = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return scene if isinstance(scene, dict) else {}


def item_of(values: Any, number: int) -> Any:
    """The list's item of that number, None where there is none."""
    return values[number] if isinstance(values, list) and 0 <= number < len(values) else None


def _in_words(change: Mapping[str, Any]) -> str:
    if not change["before"]:  # what was asked of whoever edited the picture
        return f"{change['attribute']}: {change['after']}"
    return f"{change['attribute']} {change['before']} → {change['after']}"


def _thing(scene: Mapping[str, Any], number: int) -> str:
    """What a scene or table says of its thing of that number: "large red metal cube", or a row's label."""
    table = scene.get("table")
    if isinstance(table, dict):
        return str(item_of(table.get("labels"), number) or "")
    known = item_of(scene.get("objects"), number)
    if not isinstance(known, dict):
        return ""
    return " ".join(str(known[name]) for name in DESCRIBED_BY if known.get(name))
