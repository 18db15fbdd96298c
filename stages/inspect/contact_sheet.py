"""A contact sheet: pairs in a grid on one PNG, for places without a browser."""

from __future__ import annotations

import textwrap
import unicodedata
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from stages.core import pages
from stages.core.folder.artifact import Report
from stages.core.pictures import png
from stages.inspect.pairs import Chosen, Seen, look_at, warnings

MOST = 120  # pairs on a sheet, which is then about 30 MB
MARK = "vz inspect --contact-sheet"  # stored in the file, so that vz knows it may replace it
COLUMNS, TILE, GAP, MARGIN = 3, 220, 8, 20
LINE, LETTERS, MOST_LINES = 19, 66, 5  # pixels per line, letters per line, lines below a pair
PAPER, INK, EDGE, OUTLINE = "#ffffff", "#1f2328", "#8c959f", "#e6007a"
SPELLED = str.maketrans({"→": "->", "€": "EUR ", "£": "GBP ", "¥": "JPY ", "₹": "INR ", "–": "-", "×": "x", "ß": "ss"})


def make(chosen: Chosen, out: Path) -> Report:
    """Write the sheet, with at most `MOST` pairs. Equal folders give equal bytes.

    `InputError` names a picture that is missing or differs from the one in the table, or a file at `out` that is not a
    sheet.
    """
    pages.refuse_foreign(out, MARK, "--contact-sheet", ".png")
    cells, equal = [], []
    for seen in look_at(chosen):
        cells.append(_cell(seen))
        equal += [str(seen.row["pair_id"])] if seen.looks_equal else []
    mark = PngInfo()
    mark.add_text("Software", MARK)
    data = png(_grid(f"{chosen.folder.name}: {chosen.share}", cells), pnginfo=mark)
    counts = {"pairs": len(cells), "of": chosen.total, "bytes": len(data)}
    return Report("inspect", out, pages.publish(out, data), counts, warnings(equal), {})


def _cell(seen: Seen) -> Image.Image:
    """Both pictures side by side, with the pair's id and changes below."""
    tiles = [_tile(seen.original, seen), _tile(seen.modified or Image.new("RGB", seen.original.size, PAPER), seen)]
    texts = [f"{seen.row['pair_id']}   {seen.row['domain']} · {seen.row['split']} · {seen.row['source']}"]
    texts += [line.text for line in seen.lines]
    texts += ["the spy sees an empty picture"] if seen.is_empty else []
    texts += ["the two pictures look the same"] if seen.looks_equal else []
    lines = [line for text in texts for line in textwrap.wrap(plain(text), LETTERS, subsequent_indent="   ")]
    height = max(tile.height for tile in tiles)
    cell = Image.new("RGB", (2 * TILE + GAP, height + 4 + LINE * min(MOST_LINES, len(lines))), PAPER)
    for number, tile in enumerate(tiles):
        cell.paste(tile, (number * (TILE + GAP), 0))
    _write(cell, (0, height + 4), "\n".join(lines[:MOST_LINES]))
    return cell


def _tile(picture: Image.Image, seen: Seen) -> Image.Image:
    """The picture, framed and scaled to a tile, with its outlines; enlarged pictures keep their square pixels."""
    scale = TILE / max(picture.size)
    method = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    tile = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), method)
    draw = ImageDraw.Draw(tile)
    draw.rectangle((0, 0, tile.width - 1, tile.height - 1), outline=EDGE)
    for box in seen.difference.boxes if seen.difference else []:
        left, top, right, bottom = (round(edge * scale) for edge in box)
        draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=OUTLINE, width=2)
    for number, (x, y) in seen.places.items():
        place = round(x * scale), round(y * scale)
        draw.text(place, str(number), OUTLINE, ImageFont.load_default(14), "mm", stroke_width=2, stroke_fill=PAPER)
    return tile


def _grid(heading: str, cells: list[Image.Image]) -> Image.Image:
    columns = min(COLUMNS, len(cells))
    rows = [cells[first : first + columns] for first in range(0, len(cells), columns)]
    heights = [max(cell.height for cell in row) + MARGIN for row in rows]
    top, step = 2 * MARGIN + LINE, 2 * TILE + GAP + MARGIN
    sheet = Image.new("RGB", (MARGIN + columns * step, top + sum(heights)), PAPER)
    _write(sheet, (MARGIN, MARGIN), plain(heading))
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            sheet.paste(cell, (MARGIN + column * step, top))
        top += height
    return sheet


def _write(picture: Image.Image, place: tuple[int, int], text: str) -> None:
    """Write text in Pillow's own font, so that a sheet looks the same everywhere."""
    ImageDraw.Draw(picture).text(place, text, INK, ImageFont.load_default(14), spacing=4)


def plain(text: str) -> str:
    """The text in the letters of that font, which has little beyond ASCII: ä becomes a, € EUR, and others `?`."""
    letters = unicodedata.normalize("NFKD", text.translate(SPELLED))
    decomposed = [letter for letter in letters if not unicodedata.combining(letter)]
    return "".join(letter if letter.isascii() or letter in "·°©" else "?" for letter in decomposed)
