"""Makes pairs, in as many processes as you like: a pair's pictures first, then a small note that it is done."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.folder.files import read_json, size_of, sync, write_json
from stages.core.processes.pool import available_cores, work_through
from stages.make_games import noise
from stages.make_games.pair import Made, Pair, Skipped, printable

Note = Mapping[str, Any]  # the record of a finished pair
IMAGES, NOTES = "images", ".pairs"  # notes only serve to resume; they are deleted once the folder is published


def make_all(pairs: Sequence[Pair], work: Path, processes: int, on_made: Callable[[Pair], None]) -> None:
    """Make every pair in `processes` processes (0: one per core; 1: in this one). Their number changes no byte.

    Stops at the first error.
    """
    count = min(processes or available_cores(), len(pairs))
    work_through(partial(make_pair, work=work), ([pair] for pair in pairs), count, lambda made, _: on_made(made[0]))


def make_pair(pair: Pair, work: Path) -> None:
    """Write a pair's pictures under `work`, then a note: its row of `pairs.parquet`, or why it is skipped.

    The note comes last, so that a pair with a note is complete.
    """
    made = pair.make()
    if isinstance(made, Skipped):
        note: dict[str, Any] = {"skipped": skipped_row(pair.pair_id, pair.source, made, strict=pair.games.strict)}
    else:
        kind = noise.kind_of(pair)
        spoilt = noise.spoilt(made, kind)
        sizes = {role: len(data) for role, data in _pictures(spoilt).items()}
        note = {"row": _write(pair, spoilt, work), "counts": dict(made.counts), "noise": kind, "bytes": sizes}
    write_json(note_path(work, pair), note)


def skipped_row(pair_id: str, source: str, why: Skipped, *, strict: bool) -> dict[str, str]:
    """The row of `skipped.parquet`. With `strict`, raises `InputError` instead."""
    detail = printable(why.detail)
    if strict:
        raise InputError(f"{detail}; fix or remove it, or leave out --strict to skip such pairs")
    return {"pair_id": pair_id, "source": source, "reason": why.reason, "detail": detail}


def finished(work: Path, pair: Pair) -> bool:
    """Whether the pair was made or skipped before the run was interrupted.

    The sizes of its pictures must match the note: a power cut may keep the note and lose the picture.
    """
    if not note_path(work, pair).is_file():
        return False
    note = note_of(work, pair)
    if "skipped" in note:
        return not pair.games.strict
    return all(size_of(work / note["row"][role]) == size for role, size in note["bytes"].items())


def note_of(work: Path, pair: Pair) -> dict[str, Any]:
    """A finished pair's note: `row`, `counts`, `noise` and the pictures' `bytes`; or `skipped`."""
    note: dict[str, Any] = read_json(note_path(work, pair))
    return note


def note_path(work: Path, pair: Pair) -> Path:
    """The note of a pair in a work folder."""
    return work / NOTES / f"{pair.pair_id}.json"


def _write(pair: Pair, made: Made, work: Path) -> dict[str, Any]:
    row: dict[str, Any] = {
        "pair_id": pair.pair_id,
        "domain": pair.domain,
        "original": None,
        "modified": None,
        "original_sha256": None,
        "modified_sha256": None,
        "changes": [asdict(change) for change in made.changes],
        "scene": _text(made.scene),
        "modified_scene": _text(made.modified_scene),
        "source": pair.source,
        "seed": pair.seed,
        "split": pair.split,
    }
    for role, data in _pictures(made).items():
        row[role] = _write_picture(data, f"{pair.pair_id}_{role}.png", work / IMAGES)
        row[f"{role}_sha256"] = hashlib.sha256(data).hexdigest()
    return row


def _pictures(made: Made) -> dict[str, bytes]:
    return {"original": made.original} | ({} if made.modified is None else {"modified": made.modified})


def _text(scene: Mapping[str, Any] | None) -> str | None:
    return None if scene is None else json.dumps(scene)


def _write_picture(data: bytes, name: str, folder: Path) -> str:
    temporary = folder / f".{name}.{os.getpid()}.tmp"
    try:
        temporary.write_bytes(data)
        sync(temporary)
        temporary.replace(folder / name)
    finally:
        temporary.unlink(missing_ok=True)  # a full disk leaves half a file
    return f"{IMAGES}/{name}"
