"""Pictures that games refer to: a path relative to the games folder, or a blank picture of a given size."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from stages.core import tables
from stages.core.errors import InputError
from stages.core.folder.files import read_file

_BLANK = re.compile(r"blank:([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
BLANK_COLOUR = (255, 255, 255)
MOST_PIXELS = 170_000_000  # in a blank picture: the most that `games.ready.max_pixels` allows
FORMATS = ("PNG", "JPEG", "WEBP")  # vz writes PNG; reading these formats calls no other program
UNREADABLE = (UnidentifiedImageError, Image.DecompressionBombError, OSError)


@dataclass(frozen=True)
class Picture:
    """`ref` is its name in the tables; `sha256` is the file's hash, None only for a blank picture.

    A file is used only if it has that hash, so it may link to a store outside the folder, such as DVC's, git-annex's or
    the hub's cache.
    """

    folder: Path
    ref: str
    sha256: str | None

    def load(self) -> Image.Image:
        """The picture as RGB. `InputError` if it is missing, unreadable or has another hash."""
        blank = self._blank_size()
        if blank is not None:
            return Image.new("RGB", blank, BLANK_COLOUR)
        with self._opened() as image:
            return image.convert("RGB")

    def size(self) -> tuple[int, int]:
        """(width, height) in pixels, from the header of the file. `InputError` as for `load`."""
        blank = self._blank_size()
        if blank is not None:
            return blank
        with self._opened() as image:
            return image.size

    def file(self) -> bytes:
        """The bytes of a picture that is not blank. `InputError` if the file is missing or has another hash."""
        path = _below(self.folder, self.ref)
        if self.sha256 is None:
            known = self.folder / "pairs.parquet"
            raise InputError(f"{known}: lists no picture {self.ref!r}; use the games folder that was played")
        try:
            data = read_file(path)
        except OSError as error:
            raise InputError(f"{path}: {_unreadable(path, error)}") from error
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise InputError(f"{path}: the picture is not the one in pairs.parquet (sha256 differs)")
        return data

    def _blank_size(self) -> tuple[int, int] | None:
        blank = _BLANK.fullmatch(self.ref)
        if blank is None:
            return None
        size = int(blank[1]), int(blank[2])
        if size[0] * size[1] > MOST_PIXELS:
            raise InputError(f"{self.folder}: '{self.ref}' has more than {MOST_PIXELS:,} pixels; play the games again")
        return size

    @contextmanager
    def _opened(self) -> Iterator[Image.Image]:
        try:
            with Image.open(io.BytesIO(self.file()), formats=FORMATS) as image:
                yield image
        except UNREADABLE as error:
            raise InputError(f"{self.folder / self.ref}: not a readable picture ({error})") from error


def picture_of(games: Path, row: Mapping[str, Any], kind: str) -> Picture | None:
    """The `original` or `modified` picture of a row of `pairs.parquet`; None if the spy sees a blank one.

    `InputError` if the row lacks the original or a picture's hash.
    """
    ref, sha256 = row[kind], row[f"{kind}_sha256"]
    if ref is None and kind == "modified":
        return None
    if ref is None or sha256 is None:
        lacks = f"no {kind}" if ref is None else f"no sha256 of {ref!r}"
        raise InputError(f"{games / 'pairs.parquet'}: pair '{row['pair_id']}' has {lacks}; make the games again")
    return Picture(games, ref, sha256)


def picture_hashes(games: Path) -> dict[str, str]:
    """The sha256 of every picture in a games folder, by its path in the tables. `InputError` if one is missing."""
    columns = ["pair_id", "original", "original_sha256", "modified", "modified_sha256"]
    rows = tables.read(games / "pairs.parquet", tables.PAIRS, columns).iter_rows(named=True)
    pictures = [picture_of(games, row, kind) for row in rows for kind in ("original", "modified")]
    return {picture.ref: picture.sha256 for picture in pictures if picture is not None and picture.sha256 is not None}


def blank_ref(width: int, height: int) -> str:
    """The name that tables give a blank picture of this size."""
    return f"blank:{width}x{height}"


def png(image: Image.Image, **options: Any) -> bytes:
    """The picture as a PNG, without metadata unless `options` add some."""
    buffer = io.BytesIO()
    image.save(buffer, "png", **options)
    return buffer.getvalue()


def _below(folder: Path, ref: str) -> Path:
    """The path of a file in `folder`. `InputError` if it leads out of the folder: tables may come from anyone."""
    path = Path(ref)
    if path.is_absolute() or ".." in path.parts or "\0" in ref:
        raise InputError(f"{folder}: the picture path {ref!r} leads outside the folder; do not use these games")
    return folder / path


def _unreadable(path: Path, error: OSError) -> str:
    """Why a picture cannot be read, and what to do."""
    if path.is_symlink() and not path.exists():
        return f"the picture links to {path.readlink()}, which is gone; fetch it again (dvc pull, git annex get, …)"
    return f"the picture cannot be read ({error.strerror}); make the games again"


def side_by_side(left: Image.Image, right: Image.Image, gap: int) -> Image.Image:
    """Both pictures side by side on white, `gap` pixels apart."""
    both = Image.new("RGB", (left.width + gap + right.width, max(left.height, right.height)), "white")
    both.paste(left, (0, 0))
    both.paste(right, (left.width + gap, 0))
    return both
