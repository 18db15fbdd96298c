"""A CLEVR scene for the checker: which objects have a value, and which lie on a side of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.core.clevr.vocabulary import RADII

Things = frozenset[int]  # indices of objects

# For a word such as "leftmost": the side of the object on which no other lies.
_FREE_SIDE = {"leftmost": "left", "rightmost": "right", "frontmost": "front", "hindmost": "behind"}


class Scene:
    """Reads the JSON of `scene_json.to_json`. `KeyError` or `TypeError` if it is not such JSON."""

    def __init__(self, scene: Mapping[str, Any]) -> None:
        self._objects = scene["objects"]
        self._beside = scene["relationships"]
        self._width = scene.get("camera", {}).get("width")
        self.all: Things = frozenset(range(len(self._objects)))

    def value(self, thing: int, attribute: str) -> str:
        return str(self._objects[thing][attribute])

    def values(self, things: Things, attribute: str) -> set[str]:
        return {self.value(thing, attribute) for thing in things}

    def with_value(self, attribute: str, value: str) -> Things:
        return frozenset(thing for thing in self.all if self.value(thing, attribute) == value)

    def larger(self, one: int, other: int) -> bool:
        return RADII[self.value(one, "size")] > RADII[self.value(other, "size")]

    def beside(self, thing: int, side: str) -> Things:
        """The objects on a side ("left", "right", "front", "behind") of `thing`."""
        return frozenset(self._beside[side][thing])

    def extreme(self, things: Things, word: str) -> Things:
        """Those of `things` to which a word such as "leftmost" or "smallest" applies."""
        if word in _FREE_SIDE:
            return frozenset(x for x in things if not self.beside(x, _FREE_SIDE[word]) & things)
        if word == "smallest":
            return frozenset(x for x in things if not any(self.larger(x, y) for y in things))
        return frozenset(x for x in things if not any(self.larger(y, x) for y in things))

    def in_half(self, side: str) -> Things | None:
        """The objects in the left or right half of the picture; None if the scene does not give the picture's width."""
        if self._width is None:
            return None
        x = {thing: self._objects[thing]["pixel_coords"][0] - self._width / 2 for thing in self.all}
        return frozenset(thing for thing in self.all if (x[thing] < 0 if side == "left" else x[thing] > 0))
