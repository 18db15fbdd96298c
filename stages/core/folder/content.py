"""Hashes and sizes of files and folders. They identify inputs, and show whether outputs are still intact."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from stages.core.clock import clock
from stages.core.errors import InputError
from stages.core.folder.files import read_json, sha256_file, sha256_text, size_of, walk
from stages.core.progress import Progress, Silent

MANIFEST = "manifest.json"
PICTURES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"))
NOT_COMPARABLE = {MANIFEST, "timings.json"}  # they differ between equal outputs
FEW = 32  # files that are checked faster than threads start
ENDS = 4096  # bytes that a quick check reads at the start and at the end of a file

Files = Mapping[str, Mapping[str, Any]]  # by path in a folder: `bytes`, `ends` and `sha256` of each file


@clock.part("hashing")
def content_hash(source: Path | str) -> str:
    """A hash of an input's content: the bytes of a file, the comparable files of a folder, or a hub name.

    Files that the folder's manifest lists, and that a quick check finds unchanged, are not read again. If the manifest
    gives the folder an identity, that is hashed instead.
    """
    path = Path(source)
    if path in _unchanging:
        return _unchanging[path]
    if isinstance(source, str) and not path.exists():
        return sha256_text(source)
    if path.is_file():
        return sha256_file(path)
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    if identity := _identity_of(path):
        return sha256_text(identity)
    listed, names = _listed(path), _comparable(path)
    with ThreadPoolExecutor() as threads:
        hashes = threads.map(lambda name: _identity(path / name, listed.get(name)), names)
        return sha256_text("\n".join(f"{name} {found}" for name, found in zip(names, hashes, strict=True)))


_unchanging: dict[Path, str] = {}


@contextmanager
def unchanging(folder: Path) -> Iterator[None]:
    """Read the folder once: in the block, `content_hash` returns the hash that it had at the start."""
    _unchanging[folder] = content_hash(folder)
    try:
        yield
    finally:
        del _unchanging[folder]


def version_of(place: Path | str) -> str:
    """A policy's version: the identity in its folder's manifest, or else a short hash of its content or name."""
    return _identity_of(Path(place)) or content_hash(place)[:12]


def known_as(policy: str) -> str:
    """The name of a seat's policy; for a folder, which may move, a hash of its content."""
    return version_of(Path(policy)) if Path(policy).is_dir() else policy


@clock.part("hashing")
def outputs(folder: Path) -> dict[str, dict[str, Any]]:
    """What a manifest records about every comparable file in `folder`, by path."""
    names = _comparable(folder)
    with ThreadPoolExecutor() as threads:
        return dict(zip(names, threads.map(lambda name: _recorded(folder / name), names), strict=True))


@clock.part("hashing")
def damaged_files(folder: Path, files: Files, *, full: bool = False, progress: Progress | None = None) -> list[Path]:
    """The recorded `files` in `folder` that are missing or have changed.

    The quick check compares size, start and end. `full` compares hashes, which reads every byte. `progress` advances
    with every file.
    """
    damaged, progress = [], progress or Silent()
    with ThreadPoolExecutor() as threads:
        each = threads.map if full or len(files) > FEW else map
        same = each(lambda name: _is_unchanged(folder / name, files[name], full), files)
        for name, is_same in zip(files, same, strict=True):
            damaged += [] if is_same else [folder / name]
            progress.advance()
    return damaged


def write_recorded(file: Path, data: bytes) -> dict[str, Any]:
    """Write a file. Returns what `outputs` would record about it, without reading it again."""
    file.write_bytes(data)
    ends = hashlib.sha256(data[:ENDS] + data[-ENDS:]).hexdigest()[:16]
    return {"bytes": len(data), "ends": ends, "sha256": hashlib.sha256(data).hexdigest()}


def _recorded(file: Path) -> dict[str, Any]:
    return {"bytes": file.stat().st_size, "ends": _ends(file), "sha256": sha256_file(file)}


def _is_unchanged(file: Path, recorded: Mapping[str, Any], full: bool = False) -> bool:
    if size_of(file) != recorded["bytes"]:
        return False
    try:
        if full and "sha256" in recorded:
            return bool(sha256_file(file) == recorded["sha256"])
        return "ends" not in recorded or bool(_ends(file) == recorded["ends"])  # older manifests record only sizes
    except OSError:  # a failing disk
        return False


def _ends(file: Path) -> str:
    """A hash of the first and last bytes. Files that a power cut emptied start or end with zeros."""
    with file.open("rb") as open_file:
        digest = hashlib.sha256(open_file.read(ENDS))
        open_file.seek(max(0, file.stat().st_size - ENDS))
        digest.update(open_file.read(ENDS))
    return digest.hexdigest()[:16]


def _listed(folder: Path) -> Files:
    """The files that the folder's manifest records; empty without a vz manifest."""
    files: Files = _manifest(folder).get("outputs", {})
    try:
        return files if all({"ends", "sha256"} <= recorded.keys() for recorded in files.values()) else {}
    except (TypeError, AttributeError):
        return {}


def _identity_of(folder: Path) -> str | None:
    """The identity that a vz manifest gives the folder, if its content is unchanged; usually None."""
    identity = _manifest(folder).get("identity")
    return identity if isinstance(identity, str) and not damaged_files(folder, _listed(folder)) else None


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        body = read_json(folder / MANIFEST)
    except InputError:
        return {}
    return body if isinstance(body, dict) else {}


def _comparable(folder: Path) -> list[str]:
    """The visible files that are the same for the same inputs, including those behind links to folders."""
    files = sorted(place / name for place, names in walk(folder) for name in names if name not in NOT_COMPARABLE)
    return [str(file.relative_to(folder)) for file in files if file.is_file()]


def _identity(file: Path, recorded: Mapping[str, Any] | None) -> str:
    """The file's hash; for a picture its size, since the table that names it has its hash."""
    status = file.stat()
    if file.suffix.lower() in PICTURES:
        return str(status.st_size)
    if recorded is not None and _is_unchanged(file, recorded):
        return str(recorded["sha256"])
    return _hash_of(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _hash_of(file: Path, size: int, modified: int) -> str:
    """Cached while size and time stay the same, since a round asks for the same weights several times."""
    return sha256_file(file)
