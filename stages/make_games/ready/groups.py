"""Groups pairs that belong together, so that no picture is in two splits."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from pathlib import Path

from stages.core.errors import InputError
from stages.core.folder.files import sha256_file
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.make_games import pair
from stages.make_games.ready.entry import Entry, FilePicture, Stored


def hashes_of(entries: Sequence[Entry]) -> dict[Path, str]:
    """sha256 of every picture in a file. Unreadable ones are left out: making their pairs reports why."""
    pictures = [stored for entry in entries for stored in (entry.original, entry.modified)]
    paths = dict.fromkeys(each.path for each in pictures if isinstance(each, FilePicture))
    hashes = {}
    with progress_bar("reading pictures", len(paths)) as progress:
        for path in paths:
            with suppress(OSError):
                if path.is_file():  # a pipe or a device might never end
                    hashes[path] = sha256_file(path)
            progress.advance()
    return hashes


def splits_of(entries: Sequence[Entry], hashes: Mapping[Path, str], recipe: Recipe) -> dict[str, str]:
    """The split of each pair by its id: what its table says, else one drawn for all pairs that belong together.

    Pairs belong together if they share a group or an original, even if it is the modified picture of another pair
    (edits made one after the other). `InputError` names two of them with different splits.
    """
    leaders = _leaders(entries, hashes)
    keys = _keys(entries, leaders, hashes)
    given: dict[int, tuple[str, str]] = {}  # by leader: the split in the table, and the row that gives it
    for entry, leader in zip(entries, leaders, strict=True):
        if entry.split is None:
            continue
        split, where = given.setdefault(leader, (entry.split, entry.where))
        if split != entry.split:
            raise InputError(
                f"{entry.where}: is in split '{entry.split}', but {where}, with the same picture or group, is in "
                f"'{split}'; give both the same split, or neither"
            )
    drawn = pair.splits_of(recipe, [key for leader, key in keys.items() if leader not in given])
    return {
        entry.pair_id: given[leader][0] if leader in given else drawn[keys[leader]]
        for entry, leader in zip(entries, leaders, strict=True)
    }


def _keys(entries: Sequence[Entry], leaders: Sequence[int], hashes: Mapping[Path, str]) -> dict[int, str]:
    """The key that decides the split, by leader. Pairs that belong together share it, so that adding a copy or another
    pair of the group moves none of them, wherever its name sorts."""
    keys: dict[int, tuple[int, str]] = {}
    for entry, leader in zip(entries, leaders, strict=True):
        known = hashes.get(entry.original.path) if isinstance(entry.original, FilePicture) else None
        if entry.group is not None:
            key = (0, entry.group)
        else:
            key = (1, known) if known is not None else (2, entries[leader].pair_id)
        keys[leader] = min(keys.get(leader, key), key)
    return {leader: key for leader, (_, key) in keys.items()}


def _leaders(entries: Sequence[Entry], hashes: Mapping[Path, str]) -> list[int]:
    """For each pair, the number of the first pair that it belongs with, perhaps by way of others."""
    leaders = list(range(len(entries)))
    first: dict[str, int] = {}

    def leader_of(number: int) -> int:
        while leaders[number] != number:
            leaders[number] = number = leaders[leaders[number]]
        return number

    originals = {_mark(entry.original, hashes) for entry in entries}
    for number, entry in enumerate(entries):
        for mark in _marks(entry, hashes, originals):
            one, other = sorted((leader_of(first.setdefault(mark, number)), leader_of(number)))
            leaders[other] = one
    return [leader_of(number) for number in range(len(entries))]


def _marks(entry: Entry, hashes: Mapping[Path, str], originals: Set[str | None]) -> Iterator[str]:
    """What the pair shares with those it belongs with. A modified picture that is no pair's original, such as an empty
    one, does not count: many pairs may share it."""
    if entry.group is not None:
        yield f"group {entry.group}"
    original, modified = _mark(entry.original, hashes), _mark(entry.modified, hashes)
    if original is not None:
        yield original
    if modified is not None and modified in originals:
        yield modified


def _mark(stored: Stored | None, hashes: Mapping[Path, str]) -> str | None:
    """What identifies a picture. For pictures in cells nothing is known before they are read."""
    if not isinstance(stored, FilePicture):
        return None
    return f"picture {hashes.get(stored.path) or os.path.realpath(stored.path)}"
