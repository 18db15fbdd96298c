"""A contact sheet: pairs in a grid on one PNG, for those who have no browser at hand."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from stages.core.errors import InputError
from stages.core.folder.artifact import Report
from stages.core.folder.files import write_bytes
from stages.core.pictures import png
from stages.core.progress import progress_bar
from stages.inspect.pairs import Chosen, Seen, look_at, warned

MOST = 120  # pairs on a sheet: as PNG it is then some 30 MB
MARK = "vz inspect --contact-sheet"  # by which a sheet of ours is known again
COLUMNS, TILE, GAP, MARGIN = 3, 220, 8, 20
LETTER, LINE, HEADING = 14, 19, 22  # pixels: a letter, a line of text, the heading's letters
MOST_LINES = 4  # of a pair's change log
FURTHER = "…·°©"  # that Pillow's font has beside ASCII; others it shows as boxes
SPELLED = {"→": "->", "€": "EUR ", "£": "GBP ", "¥": "JPY ", "₹": "INR ", "–": "-", "—": "-", "×": "x", "ß": "ss"}
PAPER, INK, SOFT, FRAME, EDGE, OUTLINE = "#ffffff", "#1f2328", "#59636e", "#8c959f", "#dde1e6", "#e6007a"


@dataclass(frozen=True)
class Cell:
    """A pair on the sheet: two tiles, its id, and the lines of text below."""

    title: str
    tiles: tuple[Image.Image, Image.Image]
    lines: list[str]


def make(chosen: Chosen, out: Path) -> Report:
    """Write the sheet of the chosen pairs, whose number the caller limits to `MOST`. Equal folders, equal bytes.

    `InputError` names a picture that is missing or not the one in the table, or a stranger's file at `out`.
    """
    _refuse_foreign(out)
    cells: list[Cell] = []
    equal: list[str] = []
    with progress_bar("reading pairs", len(chosen.rows)) as progress:
        for seen in look_at(chosen):
            cells.append(_cell(seen))
            equal += [str(seen.row["pair_id"])] if seen.looks_equal else []
            progress.advance()
    data = _png(_drawn(f"{chosen.folder.name}: {chosen.share}", cells))
    counts = {"pairs": len(cells), "of": chosen.total, "bytes": len(data)}
    return Report("inspect", out, _publish(out, data), counts, warned(equal), {})


def _publish(out: Path, data: bytes) -> str:
    if out.is_file() and out.read_bytes() == data:
        return "up to date"
    out.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(out, data)
    return "done"


def _cell(seen: Seen) -> Cell:
    original = _tile(seen.original, seen)
    modified = _blank_tile(original.size) if seen.modified is None else _tile(seen.modified, seen)
    pair = seen.row
    told = [f"{line.number}: {f'{line.thing}, ' if line.thing else ''}{line.changes}" for line in seen.lines]
    if seen.is_empty:
        told.append("the spy sees an empty picture")
    if seen.looks_equal:
        told.append("to the eye the two pictures are the same")
    title = f"{pair['pair_id']}   {pair['domain']} · {pair['split']} · {pair['source']}"
    return Cell(_fitted(_plain(title)), (original, modified), _wrapped([_plain(text) for text in told]))


def _tile(picture: Image.Image, seen: Seen) -> Image.Image:
    """The picture as wide or high as a tile, with its outlines; a small one in squares, not smeared."""
    scale = TILE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    way = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    tile = picture.resize(size, way)
    draw = ImageDraw.Draw(tile)
    draw.rectangle((0, 0, size[0] - 1, size[1] - 1), outline=EDGE)  # or a chart's white ground has no end
    regions = seen.difference.regions if seen.difference is not None else []
    for region in regions:
        box = region.box
        left, top = round(box.left * scale), round(box.top * scale)
        right, bottom = max(left, round(box.right * scale) - 1), max(top, round(box.bottom * scale) - 1)
        draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=PAPER)
        draw.rectangle((left, top, right, bottom), outline=OUTLINE, width=2 if region.centre is not None else 1)
    for region in regions:
        if region.centre is not None:
            number, corner = str(seen.lines[region.centre].number), (region.box.left * scale, region.box.top * scale)
            place = (round(corner[0]) + 4, round(corner[1]) + 1)
            draw.text(place, number, OUTLINE, _font(), stroke_width=2, stroke_fill=PAPER)
    return tile


def _blank_tile(size: tuple[int, int]) -> Image.Image:
    tile = Image.new("RGB", size, PAPER)
    ImageDraw.Draw(tile).rectangle((0, 0, size[0] - 1, size[1] - 1), outline=FRAME)
    return tile


def _drawn(heading: str, cells: Sequence[Cell]) -> Image.Image:
    columns = min(COLUMNS, len(cells))
    width, rows = 2 * TILE + GAP, [cells[first : first + columns] for first in range(0, len(cells), columns)]
    heights = [LINE + max(_height(cell) for cell in row) + MARGIN for row in rows]
    top = 2 * MARGIN + HEADING
    sheet = Image.new("RGB", (MARGIN + columns * (width + MARGIN), top + sum(heights)), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN - 4), _fitted(_plain(heading), sheet.width - 2 * MARGIN, HEADING), INK, _font(HEADING))
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            _place(sheet, draw, cell, MARGIN + column * (width + MARGIN), top)
        top += height
    return sheet


def _height(cell: Cell) -> int:
    """Of tiles and text, without the title."""
    return max(tile.height for tile in cell.tiles) + 4 + LINE * len(cell.lines)


def _place(sheet: Image.Image, draw: ImageDraw.ImageDraw, cell: Cell, left: int, top: int) -> None:
    draw.text((left, top), cell.title, INK, _font())
    for number, tile in enumerate(cell.tiles):
        sheet.paste(tile, (left + number * (TILE + GAP), top + LINE))
    below = top + LINE + max(tile.height for tile in cell.tiles) + 4
    for number, line in enumerate(cell.lines):
        draw.text((left, below + number * LINE), line, SOFT, _font())


def _font(size: int = LETTER) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that comes with Pillow, so that a sheet looks the same everywhere."""
    return ImageFont.load_default(size)


def _plain(text: str) -> str:
    """On one line, in the letters that the font has, which are few: ä is written a, € EUR, and what is left `?`."""
    return " ".join("".join(_in_the_font(letter) for letter in text).split())


def _in_the_font(letter: str) -> str:
    if letter.isascii() or letter in FURTHER:
        return letter
    spelled = SPELLED.get(letter) or unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return spelled or "?"


def _fitted(text: str, width: int = 2 * TILE + GAP, size: int = LETTER) -> str:
    """The text, cut with an ellipsis where it would not fit."""
    if _font(size).getlength(text) <= width:
        return text
    while text and _font(size).getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _wrapped(texts: Sequence[str]) -> list[str]:
    """The texts in lines of a cell's width, not more than `MOST_LINES` of them."""
    lines = [line for text in texts for line in _lines(text)]
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], _fitted(f"{lines[MOST_LINES - 1]} …")]
    return lines


def _lines(text: str) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and _font().getlength(longer) > 2 * TILE + GAP:
            yield line
            longer = f"   {word}"  # what belongs to the line above stands a little to the right
        line = longer
    yield _fitted(line)


def _png(sheet: Image.Image) -> bytes:
    mark = PngInfo()
    mark.add_text("Software", MARK)
    return png(sheet, pnginfo=mark)


def _refuse_foreign(path: Path) -> None:
    """What was not written by this is not replaced by it."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give a file as --contact-sheet, for example {path / 'sheet.png'}")
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: a contact sheet is a PNG; give a name that ends in .png as --contact-sheet")
    if not path.exists():
        return
    try:
        with Image.open(path) as known:
            ours = known.info.get("Software") == MARK
    except (UnidentifiedImageError, OSError):
        ours = False
    if not ours:
        raise InputError(
            f"{path}: exists and is no sheet of vz inspect; choose another --contact-sheet or move it away"
        )
