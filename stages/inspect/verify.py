"""Reading every byte of what was written: are the files still those that manifests and training states record?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.folder.artifact import MANIFEST, Report
from stages.core.folder.content import Files, spoilt
from stages.core.folder.files import read_json

RECORDS = {MANIFEST: "outputs", "state.json": "files"}  # by what names files: a stage's output, a training state


def verify(folder: Path) -> Report:
    """Compare each recorded file in and below `folder` with its hash. `counts["spoilt"]` names those that differ.

    `InputError` if there is no such folder, or nothing in it records any file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    folder = folder.resolve()
    recorded, bad, unhashed, size = 0, [], 0, 0
    for place, files in _recorded(folder):
        recorded += len(files)
        size += sum(what["bytes"] for what in files.values())
        unhashed += sum("sha256" not in what for what in files.values())
        bad += spoilt(place, files, full=True)
    if not recorded:
        raise InputError(f"{folder}: no hashes are on record here; give an output folder of vz")
    counts: dict[str, Any] = {"files": recorded, "bytes": size, "spoilt": [str(path) for path in bad]}
    note = [f"{unhashed} files were written by an earlier version of vz, which recorded their sizes only"]
    return Report("verify", folder, "spoilt" if bad else "whole", counts, note if unhashed else [], {})


def _recorded(folder: Path) -> Iterator[tuple[Path, Files]]:
    for name, what in RECORDS.items():
        for record in sorted(folder.rglob(name)):
            if not any(part.startswith(".") for part in record.relative_to(folder).parts):
                yield record.parent, _files(record, what)


def _files(record: Path, what: str) -> Files:
    """The files that a manifest or state names; none where it is a run's, or another program's."""
    body = read_json(record)
    files = body.get(what) if isinstance(body, dict) else None
    ours = isinstance(files, dict) and all(isinstance(each, dict) and "bytes" in each for each in files.values())
    return files if ours and files is not None else {}
