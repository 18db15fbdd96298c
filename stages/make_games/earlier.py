"""Reuses the pairs of a finished folder when you ask for more pairs, or for other games on the same pairs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from stages.core import tables
from stages.core.errors import InputError
from stages.core.folder.artifact import CLAIM, MANIFEST
from stages.core.folder.files import read_json, write_json
from stages.core.folder.manifest import changed_settings, input_hashes
from stages.core.pictures import picture_of
from stages.make_games import noise
from stages.make_games.making import finished, note_path
from stages.make_games.pair import Pair

# Settings that decide which pairs exist, or the games on them, but nothing inside a pair.
OTHER = {"games.pairs", "game.players", "game.clue_rounds", "names"}


def take_over(out: Path, work: Path, pairs: Sequence[Pair]) -> int:
    """Link into `work` the pictures that it shares with `out`, which it will replace, and write the pairs' notes.

    Returns the number of pairs taken over.
    """
    if not (out / MANIFEST).is_file() or not _same(read_json(out / MANIFEST), read_json(work / CLAIM)):
        return 0
    rows = {row["pair_id"]: row for row in tables.read(out / "pairs.parquet", tables.PAIRS).iter_rows(named=True)}
    taken = 0
    for pair in pairs:
        row = rows.get(pair.pair_id)
        if row is None or any(row[key] != getattr(pair, key) for key in ("seed", "split", "source", "domain")):
            continue
        roles = [role for role in ("original", "modified") if row[role] is not None]
        if not finished(work, pair) and _are_whole(row, roles, out):
            sizes = {role: _linked(out / row[role], work / row[role]) for role in roles}
            write_json(note_path(work, pair), {"row": row, "noise": noise.kind_of(pair), "bytes": sizes})
            taken += 1
    return taken


def _same(made: Mapping[str, Any], claim: Mapping[str, Any]) -> bool:
    """Whether both have the same inputs, and the same settings except for `OTHER`."""
    same_inputs = made["format"] == claim["format"] and input_hashes(made) == claim["inputs"]
    return same_inputs and set(changed_settings(made["settings"], claim["settings"])) <= OTHER


def _are_whole(row: Mapping[str, Any], roles: Sequence[str], out: Path) -> bool:
    try:
        return all(picture.file() for role in roles if (picture := picture_of(out, row, role)))
    except InputError:
        return False


def _linked(source: Path, target: Path) -> int:
    """Give the file a second name, and return its size. Copies the target of a symbolic link."""
    target.unlink(missing_ok=True)
    if os.path.realpath(source) == str(source):
        with suppress(OSError):  # file systems without hard links
            os.link(source, target)
    if not target.exists():
        shutil.copyfile(source, target)
    return target.stat().st_size
