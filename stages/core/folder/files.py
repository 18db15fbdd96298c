"""Files and folders: replaced in one step that survives a power cut, read with clear errors, and hashed.

A rename alone survives a killed process. After a hard reset, the file under the new name may still be empty, since its
bytes were only in memory. So vz writes the bytes to disk before it renames a file, and writes the name to disk before
anything relies on it.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.core.clock import clock
from stages.core.errors import InputError


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` in one step: readers find the old bytes or the new ones, even after a power cut."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    replace_file(temporary, path)


def write_text(path: Path, text: str) -> None:
    """The same for text, as UTF-8."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """The same for JSON."""
    write_text(path, to_json(value))


def replace_file(temporary: Path, path: Path) -> None:
    """Rename a finished file to `path`. Afterwards, its bytes and its name are on disk."""
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def replace_folder(work: Path, out: Path, *, durable: bool = True) -> None:
    """Rename a finished folder to `out`; if `durable`, with its content on disk. Deletes what was there."""
    if durable:
        sync_tree(work)
    old = _set_aside(out)
    work.replace(out)
    if durable:
        sync(out.parent)
    shutil.rmtree(old, ignore_errors=True)


def delete_folder(folder: Path) -> None:
    """Delete a folder in one step: a kill leaves no half of it under its name."""
    shutil.rmtree(_set_aside(folder))


def forget_replaced(folder: Path) -> None:
    """Delete what remains of an earlier folder that a killed process was replacing."""
    if (old := _old(folder)).exists():
        shutil.rmtree(old)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _set_aside(folder: Path) -> Path:
    """Rename a folder, if it exists, to a hidden name, and return that name."""
    old = _old(folder)
    forget_replaced(folder)
    if folder.exists():
        folder.replace(old)
    return old


@clock.part("syncing")
def sync_tree(folder: Path) -> None:
    """Put a folder and everything in it on disk."""
    for place, _, names in os.walk(folder):
        for name in names:
            file = Path(place, name)
            if file.is_file() and not file.is_symlink():
                sync(file)
        sync(Path(place))


@clock.part("syncing")
def sync(path: Path) -> None:
    """Put the bytes of one file, or the names in one folder, on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems answer this for folders
            raise
    finally:
        os.close(handle)


def read_file(path: Path) -> bytes:
    """The bytes of a regular file. `OSError` for anything else: a pipe or a device might never end."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file")
    return path.read_bytes()


def read_json(path: Path) -> Any:
    """Read JSON. `InputError` names a file that is missing or broken."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return parse_json(data, str(path), "the file may be cut off: make it again")


def parse_json(data: str | bytes, where: str, remedy: str) -> Any:
    """The value of a JSON text from any source. `InputError` names `where`, what is wrong, and `remedy`.

    Also refuses nesting or numbers that Python cannot read, and unpaired surrogates (`\\ud800`), which no table can
    store.
    """
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        value = json.loads(text)
        if "\\ud" in text.lower():  # the only way to write a surrogate; pairs look the same
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError, OverflowError) as error:
        raise InputError(f"{where}: not valid JSON ({error}); {remedy}") from error
    return value


def to_json(value: Any) -> str:
    """JSON in a fixed form (indent 2, keys in the given order), so that equal values give equal bytes."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def size_of(file: Path) -> int | None:
    """The size in bytes, or None if the file cannot be found or read."""
    try:
        return file.stat().st_size
    except OSError:
        return None


def sha256_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()  # file names need not be UTF-8


def walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """`folder` and all folders in it that are not hidden, each with the sorted names of its visible files.

    Links to folders are followed, but no folder is visited twice. `InputError` names a folder that cannot be read.
    """
    seen = {os.path.realpath(folder)}
    for place, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        inner = [Path(place, name) for name in folders if not name.startswith(".")]
        folders.clear()
        for path in sorted(inner, key=lambda path: (path.is_symlink(), path)):
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                folders.append(path.name)
        yield Path(place), sorted(name for name in names if not name.startswith("."))


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be read ({error.strerror}); is it the right folder, and yours?")
