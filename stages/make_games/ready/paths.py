"""Resolves the paths that a table names. It may come from a stranger, so paths must stay within one folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from stages.core.errors import InputError
from stages.make_games.ready.entry import FilePicture, Request, stored_digest


def picture_at(text: str, sha256: str | None, table: Path, where: str, request: Request) -> FilePicture:
    """The picture at the path `text` of a table. `InputError` if it is outside the folder that paths are relative to.

    A link may lead out of the folder if the picture's hash is known, from the table or from its store.
    """
    elsewhere = request.settings.pictures
    folder = Path(elsewhere) if elsewhere else table.parent
    path = _below(folder, text, where)
    root = folder if elsewhere else request.root or folder
    if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root)) or not path.exists():
        return FilePicture(path)
    digest = sha256 or stored_digest(path)
    if digest is None:
        copy = folder.resolve().with_name(f"{folder.resolve().name}-copy")
        inside = table.is_relative_to(folder)
        give = f"--from '{copy / table.relative_to(folder)}'" if inside else f"--set games.ready.pictures='{copy}'"
        raise InputError(
            f"{where}: {text!r} links out of the folder {folder}; copy what the links lead to with "
            f"cp -rL '{folder}' '{copy}', and give {give}"
        )
    return FilePicture(path, digest)


def _below(folder: Path, text: str, where: str) -> Path:
    """The path `text`, relative to `folder`. An absolute path below the folder counts as the relative one, whether or
    not it resolves links."""
    if "\0" in text:
        raise InputError(f"{where}: {text!r} contains a zero byte, so it is not a path; fix it or remove the row")
    base = folder.absolute()
    path = Path(os.path.normpath(base / re.sub("^/+", "/", text)))
    spellings = [(path, os.path.normpath(base))]
    if Path(text).is_absolute():
        spellings.append((Path(os.path.realpath(path.parent), path.name), os.path.realpath(base)))
    for spelt, start in spellings:
        if spelt.is_relative_to(start):
            return folder / spelt.relative_to(start)
    way = "" if Path(text).is_absolute() else "write paths without '..', or absolute ones; "
    raise InputError(
        f"{where}: {text!r} is a path outside the folder {folder}; {way}give the folder that holds all pictures with "
        "--set games.ready.pictures=FOLDER; --set games.ready.pictures=/ allows every absolute path"
    )
