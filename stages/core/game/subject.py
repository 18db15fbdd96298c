"""What prompts say about a pair: what its pictures show, and how the spy's differs, if the change log says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.core.changes import scene_of

_COUNTS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
# Attributes that can differ: their names in change logs of vz and others, and their names in prompts.
_ATTRIBUTES = {
    "color": "colour", "colour": "colour", "shape": "shape", "size": "size", "material": "material",
    **dict.fromkeys(("position", "location", "3d_coords", "pixel_coords"), "position"),
}  # fmt: skip
_ORDER = tuple(dict.fromkeys(_ATTRIBUTES.values()))


@dataclass(frozen=True)
class Subject:
    """A pair, in the terms that a prompt may use for every player.

    `kind` is the kind of chart, if known. `difference` says how the modified picture differs, with everything else
    equal: "two of the objects have a different colour and shape". It is None if the change log does not say.
    """

    domain: str
    kind: str | None = None
    difference: str | None = None

    @classmethod
    def of(cls, pair: Mapping[str, Any]) -> Subject:
        """The subject of a row of `pairs.parquet`, which needs `domain`, `changes` and, for a chart, `scene`.

        It gives only the kinds and numbers of changes, since naming the objects or values would decide the game.
        """
        domain = str(pair["domain"])
        changes = [change for change in pair["changes"] or () if change["before"] != change["after"]]
        if domain == "clevr":
            return cls(domain, None, _objects(changes))
        if domain == "chart":
            scene = scene_of(pair["scene"])
            kind = scene.get("kind")
            return cls(domain, kind if isinstance(kind, str) else None, _values(changes, _series(scene)))
        return cls(domain)


def _objects(changes: Sequence[Mapping[str, Any]]) -> str | None:
    """What differs in a scene; None unless every change concerns a known attribute."""
    by_object: dict[int, set[str]] = {}
    for change in changes:
        known = _ATTRIBUTES.get(str(change["attribute"]).lower())
        if known is None:
            return None
        by_object.setdefault(change["object"], set()).add(known)
    if not by_object:
        return None
    every = set().union(*by_object.values())
    count = len(by_object)
    names = [name for name in _ORDER if name in every]
    if all(own == every for own in by_object.values()):
        return f"{_some(count, 'object')} {'has' if count == 1 else 'have'} a different {_listed(names, 'and')}"
    return f"{_some(count, 'object')} differ in {_listed(names, 'or')}"


def _values(changes: Sequence[Mapping[str, Any]], series: Sequence[str]) -> str | None:
    """What differs in a chart; None unless every change concerns one of its values."""
    if not changes or any(change["attribute"] not in series for change in changes):
        return None
    count = len(changes)
    exchanged = {(change["before"], change["after"]) for change in changes}
    if count == 2 and exchanged == {(after, before) for before, after in exchanged}:
        return "two of the values are swapped"
    return f"{_some(count, 'value')} {'is' if count == 1 else 'are'} different"


def _series(scene: Mapping[str, Any]) -> Sequence[str]:
    """The names of a chart's series."""
    table = scene.get("table")
    series = table.get("series") if isinstance(table, dict) else None
    return list(series) if isinstance(series, dict) else []


def _some(count: int, what: str) -> str:
    """The phrase `two of the objects`."""
    return f"{_COUNTS[count] if count < len(_COUNTS) else count} of the {what}s"


def _listed(names: Sequence[str], word: str) -> str:
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last
