"""Pairs that belong together, so that no picture is in two splits."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stages.core.errors import InputError
from stages.core.files import sha256_file
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.make_games.pair import split_of
from stages.make_games.ready.entry import Entry, FilePicture


def hashes_of(entries: Sequence[Entry]) -> dict[Path, str]:
    """sha256 of every picture that is a file. Those that cannot be read are left out: making their pairs tells why."""
    pictures = [stored for entry in entries for stored in (entry.original, entry.modified)]
    paths = dict.fromkeys(each.path for each in pictures if isinstance(each, FilePicture))
    hashes = {}
    with progress_bar("reading pictures", len(paths)) as progress:
        for path in paths:
            try:
                hashes[path] = sha256_file(path)
            except OSError:
                continue
            finally:
                progress.advance()
    return hashes


def splits_of(entries: Sequence[Entry], hashes: Mapping[Path, str], recipe: Recipe) -> dict[str, str]:
    """The split of each pair by its id: what its table says, else what is drawn for the first that it belongs to.

    Pairs with one original or one group belong together. `InputError` names two of them with different splits.
    """
    leaders = _leaders(entries, hashes)
    told: dict[int, tuple[str, str]] = {}  # by leader: a split, and which row says it
    for entry, leader in zip(entries, leaders, strict=True):
        if entry.split is None:
            continue
        split, where = told.setdefault(leader, (entry.split, entry.where))
        if split != entry.split:
            raise InputError(
                f"{entry.where}: is in split '{entry.split}', but {where}, of the same original or group, is in "
                f"'{split}'; give both the same split, or neither"
            )
    return {
        entry.pair_id: told[leader][0] if leader in told else _drawn(entries[leader], recipe)
        for entry, leader in zip(entries, leaders, strict=True)
    }


def _drawn(entry: Entry, recipe: Recipe) -> str:
    return split_of(recipe, entry.pair_id if entry.group is None else entry.group)


def _leaders(entries: Sequence[Entry], hashes: Mapping[Path, str]) -> list[int]:
    """For each pair the place of the first one that it belongs to, perhaps by way of others."""
    leaders = list(range(len(entries)))
    first: dict[str, int] = {}

    def leader_of(place: int) -> int:
        while leaders[place] != place:
            leaders[place] = place = leaders[leaders[place]]
        return place

    for place, entry in enumerate(entries):
        for mark in _marks(entry, hashes):
            one, other = sorted((leader_of(first.setdefault(mark, place)), leader_of(place)))
            leaders[other] = one
    return [leader_of(place) for place in range(len(entries))]


def _marks(entry: Entry, hashes: Mapping[Path, str]) -> Iterator[str]:
    """What it shares with the pairs it belongs to. Of pictures in cells nothing is known before they are read."""
    if entry.group is not None:
        yield f"group {entry.group}"
    if isinstance(entry.original, FilePicture):
        path = entry.original.path
        yield f"original {hashes.get(path) or os.path.realpath(path)}"
