"""What differs between what a folder was made of and what is asked now, in words: so that who is refused sees why."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from stages.core.folder.files import to_json
from stages.core.old_settings import modernised

MOST = 4  # settings that are told one by one
LONGEST = 60  # letters of a value
ABSENT = object()
HASH = re.compile("[0-9a-f]{64}")


def what_differs(made: Mapping[str, Any], claim: Mapping[str, Any]) -> str:
    """Such as `games.pairs was 60, is now 100; other scenes`. `made` is a manifest or an earlier claim."""
    claim = json.loads(to_json(dict(claim)))  # as it would have been stored: without tuples
    told = [*_settings(made["settings"], claim["settings"]), *_inputs(input_hashes(made), claim["inputs"])]
    if made["format"] != claim["format"]:
        told.append("another version of vz made it")
    return "; ".join(told)


def _settings(made: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    old, new = current(made), current(now)
    changed = [key for key in {**old, **new} if old.get(key, ABSENT) != new.get(key, ABSENT)]
    for key in changed[:MOST]:
        is_hash = HASH.fullmatch(str(new.get(key, old.get(key))))  # which says nothing to anybody
        yield f"other {key}" if is_hash else f"{key} was {_shown(old, key)}, is now {_shown(new, key)}"
    if len(changed) > MOST:
        yield f"{len(changed) - MOST} more"


def _inputs(old: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in {**old, **now}:
        if old.get(name) != now.get(name):
            yield f"{'no' if name not in now else 'other' if name in old else 'now'} {name}"


def current(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Stored settings by dotted key, as this version would write them."""
    return dict(leaves(modernised(settings)))


def input_hashes(made: Mapping[str, Any]) -> dict[str, str]:
    """By name, of a claim or of a manifest, which also tells where an input lay."""
    return {name: what["sha256"] if isinstance(what, dict) else what for name, what in made["inputs"].items()}


def leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested mappings, keys with dots."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _shown(leaves: Mapping[str, Any], key: str) -> str:
    text = str(leaves.get(key, "absent"))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
