"""The legend: names beside swatches, in rows above or below the plot, or in a column right of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.make_games.charts.text import Font, shorten, widest, width
from stages.make_games.charts.words import GAP, Room, Words

SWATCH = 1.1  # its width, times the text's height
_BETWEEN = 1.4  # entries, times the text's height
_LINE = 1.45  # from row to row, times the text's height
_COLUMN = 0.32  # of the room's width, at most


@dataclass(frozen=True)
class Swatch:
    """A patch of the colour with this number, by its left edge and its middle's height."""

    number: int
    x: float
    y: float


def place_legend(
    room: Room, names: Sequence[str], font: Font, place: str, align: str
) -> tuple[list[Swatch], list[Words]]:
    """The legend's parts; takes its share of the room. In a column only if no name must be cut off for it."""
    entry = (SWATCH + 0.4) * font.size
    if place == "right" and widest(names, font) + entry <= _COLUMN * (room.right - room.left):
        return _column(room, names, font, entry)
    return _rows(room, names, font, entry, place, align)


def _column(room: Room, names: Sequence[str], font: Font, entry: float) -> tuple[list[Swatch], list[Words]]:
    left = room.right - widest(names, font) - entry
    step = _LINE * font.size
    highest = (room.top + room.bottom + (len(names) - 1) * step) / 2
    heights = [highest - number * step for number in range(len(names))]
    room.right = left - 1.5 * GAP * font.size
    words = [Words(name, left + entry, y, font) for name, y in zip(names, heights, strict=True)]
    return [Swatch(number, left, y) for number, y in enumerate(heights)], words


def _rows(
    room: Room, names: Sequence[str], font: Font, entry: float, place: str, align: str
) -> tuple[list[Swatch], list[Words]]:
    full = room.right - room.left
    texts = [shorten(name, font, full - entry) for name in names]
    widths = [entry + width(text, font) for text in texts]
    rows = _filled(widths, full, _BETWEEN * font.size)
    step = _LINE * font.size
    height = len(rows) * step
    first = room.top - step / 2 if place != "bottom" else room.bottom + height - step / 2
    swatches, words = [], []
    for row, numbers in enumerate(rows):
        taken = sum(widths[number] for number in numbers) + _BETWEEN * font.size * (len(numbers) - 1)
        x, y = room.left + (0 if align == "left" else (full - taken) / 2), first - row * step
        for number in numbers:
            swatches.append(Swatch(number, x, y))
            words.append(Words(texts[number], x + entry, y, font))
            x += widths[number] + _BETWEEN * font.size
    if place == "bottom":
        room.bottom += height + GAP * font.size
    else:
        room.top -= height + GAP * font.size
    return swatches, words


def _filled(widths: Sequence[float], full: float, between: float) -> list[list[int]]:
    """Numbers of the entries of each row, as many as fit."""
    rows: list[list[int]] = [[]]
    used = 0.0
    for number, wide in enumerate(widths):
        if rows[-1] and used + between + wide > full:
            rows.append([])
            used = 0.0
        used += wide + (between if rows[-1] else 0.0)
        rows[-1].append(number)
    return rows
