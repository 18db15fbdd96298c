"""Hashes and sizes of files and folders: they identify inputs and show whether outputs are still whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.folder.files import sha256_file, sha256_text, size_of, walk

MANIFEST = "manifest.json"
PICTURES = {
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".avif",
}  # covered by the hashes in pairs.parquet
NOT_COMPARABLE = {MANIFEST, "timings.json"}
END = 4096  # bytes at the beginning and at the end of a file that a quick check reads

Files = Mapping[str, Mapping[str, Any]]  # by path in a folder: `bytes`, `ends` and `sha256` of each file


def content_hash(source: Path | str) -> str:
    """What an input holds, as a hash: a file's bytes, a folder's comparable files, or a hub name.

    Files that the folder's manifest knows, and that a quick check finds unchanged, are not read again.
    """
    path = Path(source)
    if isinstance(source, str) and not path.exists():
        return sha256_text(source)
    if path.is_file():
        return sha256_file(path)
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    known = _known(path)
    names = [str(file.relative_to(path)) for file in _comparable(path)]
    with ThreadPoolExecutor() as threads:
        hashes = threads.map(lambda name: _identity(path / name, known.get(name)), names)
        return sha256_text("\n".join(f"{name} {what}" for name, what in zip(names, hashes, strict=True)))


def known_as(policy: str) -> str:
    """A seat's policy: its name, or what it holds where the name is a folder that may move or be written otherwise."""
    return content_hash(Path(policy))[:12] if Path(policy).is_dir() else policy


def outputs(folder: Path) -> dict[str, dict[str, Any]]:
    """What a manifest records of every comparable file in `folder`, by path."""
    files = _comparable(folder)
    names = [str(file.relative_to(folder)) for file in files]
    with ThreadPoolExecutor() as threads:
        return dict(zip(names, threads.map(_described, files), strict=True))


def spoilt(folder: Path, files: Files, *, full: bool = False) -> list[Path]:
    """Those of the `files` in `folder` that are missing or not as they were written.

    The quick check compares size, beginning and end. `full` compares hashes, which reads every byte.
    """
    with ThreadPoolExecutor() as threads:
        whole = threads.map(lambda name: _is_as_written(folder / name, files[name], full), files)
        return [folder / name for name, is_whole in zip(files, whole, strict=True) if not is_whole]


def _described(file: Path) -> dict[str, Any]:
    return {"bytes": file.stat().st_size, "ends": _ends(file), "sha256": sha256_file(file)}


def _is_as_written(file: Path, what: Mapping[str, Any], full: bool) -> bool:
    if size_of(file) != what["bytes"]:
        return False
    try:
        if full and "sha256" in what:
            return bool(sha256_file(file) == what["sha256"])
        return "ends" not in what or bool(_ends(file) == what["ends"])  # manifests of earlier versions know sizes only
    except OSError:  # a broken disk cannot read it
        return False


def _ends(file: Path) -> str:
    """A hash of the first and the last bytes: files that a power cut emptied begin or end with zeros."""
    with file.open("rb") as open_file:
        digest = hashlib.sha256(open_file.read(END))
        open_file.seek(max(0, file.stat().st_size - END))
        digest.update(open_file.read(END))
    return digest.hexdigest()[:16]


def _known(folder: Path) -> Files:
    """What the folder's manifest says of its files; nothing if it has none of ours."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        files: Files = manifest["outputs"]
        return files if all("ends" in what for what in files.values()) else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _comparable(folder: Path) -> list[Path]:
    """The files that are not hidden and the same for the same inputs, also in folders that links lead to."""
    files = sorted(place / name for place, names in walk(folder) for name in names if name not in NOT_COMPARABLE)
    return [file for file in files if file.is_file()]


def _identity(file: Path, known: Mapping[str, Any] | None) -> str:
    """Its hash; of a picture the size, since the table that names it knows its hash."""
    status = file.stat()
    if file.suffix.lower() in PICTURES:
        return str(status.st_size)
    if known is not None and _is_as_written(file, known, full=False):
        return str(known["sha256"])
    return _file_hash(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _file_hash(file: Path, size: int, modified: int) -> str:
    """Remembered while the file's size and time stay: a round asks for the same weights several times."""
    return sha256_file(file)
