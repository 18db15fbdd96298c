"""Verifies an output: whether its files still match its manifests and training states."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stages.core.errors import InputError
from stages.core.folder.artifact import MANIFEST, Report
from stages.core.folder.content import Files, damaged_files
from stages.core.folder.files import read_json
from stages.core.progress import progress_bar

RECORDS = {MANIFEST: "outputs", "state.json": "files"}  # the records of a stage's output, and of a training state


def verify(folder: Path) -> Report:
    """Compare each recorded file in `folder` and below with its hash. `counts["damaged"]` names those that differ.

    `InputError` if the folder does not exist, or has no recorded files.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    folder = folder.resolve()
    recorded = list(_recorded(folder))
    files = [described for _, known in recorded for described in known.values()]
    if not files:
        raise InputError(f"{folder}: has no recorded hashes; give an output folder of vz")
    with progress_bar("verifying files", len(files)) as progress:
        lost = [damaged_files(place, known, full=True, progress=progress) for place, known in recorded]
    damaged = [str(path) for paths in lost for path in paths]
    counts = {"files": len(files), "bytes": sum(file["bytes"] for file in files), "damaged": damaged}
    unhashed = sum("sha256" not in file for file in files)
    notes = [f"{unhashed} files are from an earlier version of vz, which recorded only their sizes"] if unhashed else []
    return Report("verify", folder, "damaged" if damaged else "whole", counts, notes, {})


def _recorded(folder: Path) -> Iterator[tuple[Path, Files]]:
    """Each folder with a record, and its recorded files. Skips records of other programs."""
    for name, key in RECORDS.items():
        for record in sorted(folder.rglob(name)):
            if any(part.startswith(".") for part in record.relative_to(folder).parts):
                continue
            body = read_json(record)
            files = body.get(key) if isinstance(body, dict) else None
            if isinstance(files, dict) and all(isinstance(file, dict) and "bytes" in file for file in files.values()):
                yield record.parent, files
