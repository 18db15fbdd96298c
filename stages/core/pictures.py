"""Pictures as a game refers to them: a path relative to the games folder, or an empty one of a given size."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from stages.core import tables
from stages.core.errors import InputError

_BLANK = re.compile(r"blank:([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
BLANK_COLOUR = (255, 255, 255)


@dataclass(frozen=True)
class Picture:
    """`ref` as it stands in the tables; `sha256` of the file, None for a blank one."""

    folder: Path
    ref: str
    sha256: str | None

    def load(self) -> Image.Image:
        """The picture as RGB. `InputError` when it is missing, unreadable or not the one that the table names."""
        blank = _BLANK.fullmatch(self.ref)
        if blank:
            return Image.new("RGB", (int(blank[1]), int(blank[2])), BLANK_COLOUR)
        path = self.folder / self.ref
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: the picture cannot be read ({error.strerror}); make the games again") from error
        if self.sha256 is not None and hashlib.sha256(data).hexdigest() != self.sha256:
            raise InputError(f"{path}: the picture is not the one in pairs.parquet (sha256 differs)")
        try:
            with Image.open(io.BytesIO(data)) as image:
                return image.convert("RGB")
        except (UnidentifiedImageError, OSError) as error:
            raise InputError(f"{path}: not a readable picture ({error})") from error


def picture_hashes(games: Path) -> dict[str, str]:
    """sha256 of every picture of a games folder, by its path in the tables."""
    pairs = tables.read(
        games / "pairs.parquet", tables.PAIRS, ["original", "original_sha256", "modified", "modified_sha256"]
    )
    original, original_sha, modified, modified_sha = (pairs[name].to_list() for name in pairs.columns)
    both = [*zip(original, original_sha, strict=True), *zip(modified, modified_sha, strict=True)]
    return {path: sha for path, sha in both if path is not None}


def blank_ref(width: int, height: int) -> str:
    """How tables name an empty picture of that size."""
    return f"blank:{width}x{height}"


def picture_size(folder: Path, ref: str) -> tuple[int, int]:
    """(width, height) in pixels, read from the file's header."""
    try:
        with Image.open(folder / ref) as image:
            return image.size
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"{folder / ref}: not a readable picture ({error})") from error
