"""Small file manners: atomic writes, hashes, JSON with a fixed form."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.folder.durable import put


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` in one step: a reader, or a power cut, finds the old bytes or the new, never a half."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    put(temporary, path)


def write_text(path: Path, text: str) -> None:
    """The same for a text, as UTF-8."""
    write_bytes(path, text.encode())


def to_json(value: Any) -> str:
    """JSON of one fixed form (indent 2, keys in the given order), so that equal values are equal bytes."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    write_text(path, to_json(value))


def read_json(path: Path) -> Any:
    """Read JSON; a missing or broken file is an `InputError` that names it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return parse_json(data, str(path), "the file may be cut off: make it again")


def read_file(path: Path) -> bytes:
    """The bytes of a regular file. `OSError` if there is none: a pipe or a device might never end."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file")
    return path.read_bytes()


def size_of(file: Path) -> int | None:
    """In bytes; None for a file that is not there or cannot be looked at."""
    try:
        return file.stat().st_size
    except OSError:
        return None


def parse_json(data: str | bytes, where: str, remedy: str) -> Any:
    """The value of a JSON text, whoever wrote it. `InputError` names `where`, what is off, and `remedy`.

    Refused like broken text: nesting or numbers beyond what Python reads, and halves of a character (`\\ud800`), which
    could be written into no table.
    """
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        value = json.loads(text)
        if "\\ud" in text.lower():  # the only way in for such a half; whole characters may be written so, too
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError, OverflowError) as error:
        raise InputError(f"{where}: not valid JSON ({error}); {remedy}") from error
    return value


def sha256_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()  # names of files need not be UTF-8


def walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every folder that is not hidden, from `folder` on, with the names of its visible files in order.

    Links to folders are followed, each folder once, so that a link beside its target doubles nothing. `InputError`
    names a folder that cannot be read.
    """
    seen = {os.path.realpath(folder)}
    for place, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        below = [Path(place, name) for name in folders if not name.startswith(".")]
        folders.clear()
        for path in sorted(below, key=lambda path: (path.is_symlink(), path)):
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                folders.append(path.name)
        yield Path(place), sorted(name for name in names if not name.startswith("."))


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be read ({error.strerror}); is it the right folder, and yours?")
