"""A pair as the page shows it: pictures as data URLs, outlines, the change log, and what the filters look at."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from stages.core import pages
from stages.core.changes import Line
from stages.core.pictures import picture_of
from stages.inspect.outline import Box
from stages.inspect.pairs import Seen

PAGE_BYTES = 32 * 2**20  # of picture files; a page of more is slow to open …
QUALITY, LONGEST_SIDE = 90, 1600  # … so the larger ones are written again as WebP, with at most so many pixels a side
LETTERS = 18  # of an outline's number would span the picture
PIXELATED_BELOW = 160  # pixels of the longer side: so small a picture is shown in squares, not smeared


@dataclass(frozen=True)
class Shown:
    """A picture on the page. `encoded`: written again, and so not the file's own bytes."""

    url: str
    width: int
    height: int
    encoded: bool

    @property
    def letter(self) -> float:
        """How large an outline's number is, in pixels of the picture, since it grows and shrinks with that."""
        return round(max(self.width, self.height) / LETTERS, 1)

    @property
    def pixelated(self) -> bool:
        return max(self.width, self.height) <= PIXELATED_BELOW


@dataclass(frozen=True)
class Outline:
    """A changed region, in the pixels of the picture. `line` is what was changed there, if the change log tells."""

    box: Box
    line: Line | None


@dataclass(frozen=True)
class Card:
    """A pair. `kind` is how its pictures compare, `notes` say what cannot be seen."""

    pair: Mapping[str, Any]
    original: Shown
    modified: Shown | None
    outlines: list[Outline]
    lines: list[Line]
    kind: str
    notes: list[str]

    @property
    def attributes(self) -> list[str]:
        return sorted({str(change["attribute"]) for change in self.pair["changes"] or ()})

    @property
    def told(self) -> bool:
        """Whether the change log tells of some outline: then the others are its consequences."""
        return any(outline.line for outline in self.outlines)

    @property
    def alt(self) -> str:
        """The modified picture in words."""
        told = "; ".join(line.text for line in self.lines)
        return f"Modified picture of {self.pair['pair_id']}{f': {told}' if told else ''}"


def card(seen: Seen, folder: Path, pictures: int) -> Card:
    """The pair on a page of so many `pictures`, which share its room for exact ones."""
    room = PAGE_BYTES // max(1, pictures)
    original = _shown(folder, seen.row, "original", seen.original, room)
    modified = None if seen.modified is None else _shown(folder, seen.row, "modified", seen.modified, room)
    return Card(seen.row, original, modified, _outlines(seen), seen.lines, _kind(seen), _notes(seen))


def _shown(folder: Path, row: Mapping[str, Any], kind: str, picture: Image.Image, room: int) -> Shown:
    """The file's own bytes if they are few enough, else the picture written again, if that makes it smaller."""
    file = picture_of(folder, row, kind)
    assert file is not None
    data = file.file()
    if len(data) > room:
        again = _webp(picture)
        if len(again) < len(data):
            return Shown(pages.data_url(again, "image/webp"), *picture.size, encoded=True)
    with Image.open(io.BytesIO(data)) as known:
        mime = Image.MIME[known.format or "PNG"]
    return Shown(pages.data_url(data, mime), *picture.size, encoded=False)


def _webp(picture: Image.Image) -> bytes:
    smaller = picture.copy()
    smaller.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    buffer = io.BytesIO()
    smaller.save(buffer, "webp", quality=QUALITY)
    return buffer.getvalue()


def _outlines(seen: Seen) -> list[Outline]:
    if seen.difference is None:
        return []
    return [
        Outline(region.box, None if region.centre is None else seen.lines[region.centre])
        for region in seen.difference.regions
    ]


def _kind(seen: Seen) -> str:
    if seen.is_empty:
        return "one is empty"
    return "look the same" if seen.looks_equal else "differ"


def _notes(seen: Seen) -> list[str]:
    if seen.modified is None:
        return []
    if seen.is_empty:
        return ["The modified picture is empty."]
    if seen.looks_equal:
        return ["To the eye the two pictures are the same."]
    notes = [] if seen.lines else ["Nobody noted what was changed."]
    if seen.difference is None:
        notes.append("The pictures have different sizes, so what changed cannot be outlined.")
    elif seen.difference.left_out:
        count = seen.difference.left_out
        notes.append(f"Not outlined: {count} more small changed region{'s' if count > 1 else ''}.")
    return notes
