"""What is asked of a place with ready pictures, and what it offers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stages.core.changes import Change
from stages.core.errors import InputError
from stages.core.folder.files import read_file
from stages.core.recipe.games import Domain
from stages.core.recipe.ready import ReadySettings

PICTURE_SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
    ".avif", ".jp2", ".j2k",
)  # fmt: skip
SPLITS = {"train": "train", "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev", "test": "test"}


@dataclass(frozen=True)
class Request:
    """What the recipe wants: whether one picture a pair is enough, how many pairs at most, and how to read them.

    `split` chooses files by name. Links that a manifest names may lead anywhere in `root`; None: in the folder that its
    paths count from.
    """

    blank: bool
    limit: int
    settings: ReadySettings
    split: str | None = None
    root: Path | None = None


class Stored(Protocol):
    """A picture where it lies. `name` says where, for messages."""

    @property
    def name(self) -> str: ...

    def read(self) -> bytes:
        """The encoded picture; `OSError` when it cannot be read, `InputError` when it is not there or another one."""


@dataclass(frozen=True)
class FilePicture:
    """A picture that is a file. If `sha256` is given, only a file with this hash is read."""

    path: Path
    sha256: str | None = None

    @property
    def name(self) -> str:
        return str(self.path)

    def read(self) -> bytes:
        data = read_file(self.path)
        if self.sha256 is not None and hashlib.sha256(data).hexdigest() != self.sha256:
            raise InputError(f"{self.path}: links to another picture than its table names (sha256 differs)")
        return data


@dataclass(frozen=True)
class Entry:
    """A pair as its place offers it; `modified` is None for a blank spy.

    `where` names its row or file. `note` is where the published data set has its file of what was replaced. The rest is
    known only where a table says it: pairs of one `group` share a split; `hashes` are the sha256 that vz noted of both
    pictures when it made the pair. `likely` is the domain if no row tells it; None: nobody knows.
    """

    pair_id: str
    original: Stored
    modified: Stored | None
    where: str
    note: Path | None = None
    changes: tuple[Change, ...] = ()
    split: str | None = None
    group: str | None = None
    domain: Domain | None = None
    likely: Domain | None = None
    scene: str | None = None  # JSON, kept as text: parsed it takes several times the memory
    modified_scene: str | None = None
    hashes: tuple[str | None, str | None] = (None, None)


@dataclass(frozen=True)
class Found:
    """The pairs of a place in order, what it is called in the tables, and the input that is recorded and hashed.

    `hashed`: the input's own hash covers every byte of the pictures. `ignored`: pictures that belong to no pair.
    `entries` are read as they are asked for, so that what is wrong with one that nobody wants does not matter.
    """

    entries: Iterator[Entry]
    source: str
    input: Path | str
    hashed: bool = False
    ignored: Sequence[str] = ()


def one_line(error: Exception) -> str:
    """What an error of another library says, as part of a message of ours."""
    return " ".join(str(error).split()) or type(error).__name__
