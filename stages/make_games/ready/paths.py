"""Paths that a manifest names. It may come from a stranger and its pictures go into the output, so it names only those
below one folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from stages.core.errors import InputError


def below(folder: Path, text: str, where: str) -> Path:
    """The path `text`, counted from `folder`. An absolute path below the folder is the same as the relative one,
    whether or not it spells out where links lead.

    `InputError` for a path that leads out of the folder; the message says how to name the picture.
    """
    if "\0" in text:
        raise InputError(f"{where}: {text!r} holds a zero byte, so it is not a path; mend it or remove the row")
    base = folder.absolute()
    path = Path(os.path.normpath(base / re.sub("^/+", "/", text)))
    spellings = [(path, os.path.normpath(base))]
    if Path(text).is_absolute():
        spellings.append((Path(os.path.realpath(path.parent), path.name), os.path.realpath(base)))
    for spelt, start in spellings:
        if spelt.is_relative_to(start):
            return folder / spelt.relative_to(start)
    raise InputError(f"{where}: {text!r} is a path outside the folder {folder}; {_remedy(text)}")


def stays_in(root: Path, path: Path) -> bool:
    """Whether the file itself lies below `root`, wherever links lead."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def without_links(folder: Path, manifest: Path) -> str:
    """What to do about a link in `folder` that leads out of it."""
    real = folder.resolve()
    copy = Path(f"{real.name}-copy")  # in the current folder, since what was given may be the hub's cache
    if Path.cwd().is_relative_to(real):
        copy = real.with_name(copy.name)
    inside = manifest.is_relative_to(folder)
    give = f"--from '{copy / manifest.relative_to(folder)}'" if inside else f"--set games.ready.pictures='{copy}'"
    return f"copy what the links lead to with cp -rL '{folder}' '{copy}', and give {give}"


def _remedy(text: str) -> str:
    if Path(text).is_absolute():
        return (
            "give the folder that holds the pictures with --set games.ready.pictures=FOLDER; "
            "--set games.ready.pictures=/ takes every absolute path"
        )
    return (
        "write the paths without '..' from a folder that holds all pictures, and give that folder with "
        "--set games.ready.pictures=FOLDER; or write absolute paths, and give --set games.ready.pictures=/"
    )
