"""What vz requests from a place with ready-made pictures, and what the place offers."""

from __future__ import annotations

import hashlib
import os
import re
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
ANNEX_KEY = re.compile(r"(?P<kind>SHA256|MD5)E?-s\d+--(?P<digest>[0-9a-f]+)(\.\w+)*")


@dataclass(frozen=True)
class Request:
    """What the recipe wants: whether one picture per pair is enough, how many pairs at most, and how to read them.

    `split` chooses files by name. Links that a table names may lead anywhere in `root`; None: in the folder that the
    table's paths are relative to.
    """

    blank: bool
    limit: int
    settings: ReadySettings
    split: str | None = None
    root: Path | None = None


class Stored(Protocol):
    """A stored picture. `name` says where it is, for messages."""

    @property
    def name(self) -> str: ...

    def read(self) -> bytes:
        """The encoded picture. `OSError` if it cannot be read; `InputError` if it is missing or not the right one."""


@dataclass(frozen=True)
class FilePicture:
    """A picture in a file. With a `digest` (sha256 or md5, in hex), only a file with this hash is accepted."""

    path: Path
    digest: str | None = None

    @property
    def name(self) -> str:
        return str(self.path)

    def read(self) -> bytes:
        try:
            data = read_file(self.path)
        except FileNotFoundError as error:
            raise InputError(f"{self.path}: no such picture; {self._remedy()}") from error
        if self.digest is not None and self.digest not in (
            hashlib.sha256(data).hexdigest(),
            hashlib.md5(data, usedforsecurity=False).hexdigest(),
        ):
            kind = "sha256" if len(self.digest) == 64 else "md5"
            raise InputError(f"{self.path}: links to a picture other than the one that was stored ({kind} differs)")
        return data

    def _remedy(self) -> str:
        if self.path.is_symlink():
            return f"it links to {self.path.readlink()}, which is gone; fetch it again (dvc pull, git annex get, …)"
        return "put it there, or set games.ready.pictures to the folder that a table's paths are relative to"


def stored_digest(path: Path) -> str | None:
    """The hash in the name of a link's target, as git-annex, DVC and the hub's cache name their files."""
    target = Path(os.path.realpath(path))
    annex = ANNEX_KEY.fullmatch(target.name)
    if annex:
        return annex["digest"]
    for name in (target.name, target.parent.name + target.name):  # DVC: files/md5/ab/cdef…
        if re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{32}", name):
            return name
    return None


@dataclass(frozen=True)
class Entry:
    """A pair as its place offers it. `modified` is None for a blank spy.

    `where` names its row or file. `note` is the published data set's file on replaced objects. The rest is known only
    if a table gives it: pairs of one `group` share a split; `hashes` are the sha256 of both pictures that vz noted when
    it made the pair. `likely` is the domain if no row gives one; None: unknown.
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
    scene: str | None = None  # JSON, kept as text: parsed, it takes several times the memory
    modified_scene: str | None = None
    hashes: tuple[str | None, str | None] = (None, None)


@dataclass(frozen=True)
class Bad:
    """An unusable pair that a place offers: its name, and why it is unusable."""

    pair_id: str
    detail: str
    reason: str = "bad row"


Offer = Entry | Bad


@dataclass(frozen=True)
class Found:
    """The pairs of a place in order, its name in the tables, and the input to record and hash.

    `hashed`: the input's own hash covers every byte of the pictures. `ignored`: pictures that belong to no pair.
    `offers` are read lazily, so that errors in pairs beyond the limit do not matter.
    """

    offers: Iterator[Offer]
    source: str
    input: Path | str
    hashed: bool = False
    ignored: Sequence[str] = ()


def one_line(error: BaseException) -> str:
    """The text of another library's error, on one line, as part of our message."""
    return " ".join(str(error).split()) or type(error).__name__
