"""What files and folders hold, as hashes and sizes: how inputs are told apart, and what is known of outputs."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.files import sha256_file, sha256_text, walk

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


def content_hash(source: Path | str) -> str:
    """What an input holds, as a hash: a file's bytes, a folder's comparable files, or a hub name."""
    path = Path(source)
    if isinstance(source, str) and not path.exists():
        return sha256_text(source)
    if path.is_file():
        return sha256_file(path)
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    lines = [f"{file.relative_to(path)} {_hash_or_size(file)}" for file in _comparable(path)]
    return sha256_text("\n".join(lines))


def outputs(folder: Path) -> dict[str, dict[str, Any]]:
    """What a stage wrote, by path: bytes of every comparable file, and of all but pictures the hash.

    Pictures may be many, and the tables that name them know their hashes.
    """
    return {str(file.relative_to(folder)): _described(file) for file in _comparable(folder)}


def _described(file: Path) -> dict[str, Any]:
    size = {"bytes": file.stat().st_size}
    return size if _is_picture(file) else {**size, "sha256": sha256_file(file)}


def _comparable(folder: Path) -> list[Path]:
    """The files that are not hidden and the same for the same inputs, also in folders that links lead to."""
    files = sorted(place / name for place, names in walk(folder) for name in names if name not in NOT_COMPARABLE)
    return [file for file in files if file.is_file()]


def _hash_or_size(file: Path) -> str:
    status = file.stat()
    return str(status.st_size) if _is_picture(file) else _file_hash(file, status.st_size, status.st_mtime_ns)


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURES


@lru_cache(maxsize=4096)
def _file_hash(file: Path, size: int, modified: int) -> str:
    """Remembered while the file's size and time stay: a round asks for the same weights several times."""
    return sha256_file(file)
