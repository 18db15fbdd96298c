"""Where the parts of a chart stand. Text is not measured but estimated, widely enough for any usual font."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 400, 250
WIDE, NARROW = "mwMW@%…", " ijlfrtI.,:;'!|()[]·-"
LEGEND_TOP, LEGEND_ROW, SWATCH = 40, 18, 26


@dataclass(frozen=True)
class Place:
    """A legend entry: its name as it fits, its row, and where its swatch begins on which base line."""

    name: str
    row: int
    x: float

    @property
    def y(self) -> float:
        return LEGEND_TOP + LEGEND_ROW * self.row


@dataclass(frozen=True)
class Plot:
    """The field that is drawn on, and how values become places in it."""

    label_width: float  # of the widest y tick
    legend_rows: int
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    right = WIDTH - 10.0

    @property
    def height(self) -> float:
        """The same for all charts but those with a long legend, which grow by it."""
        return HEIGHT + LEGEND_ROW * max(0, self.legend_rows - 2)

    @property
    def bottom(self) -> float:
        return self.height - 42.0

    @property
    def left(self) -> float:
        """The same for most charts, so that axes below one another are in line."""
        return max(58.0, 30.0 + self.label_width)

    @property
    def top(self) -> float:
        return 38.0 + LEGEND_ROW * self.legend_rows

    @property
    def middle_x(self) -> float:
        return (self.left + self.right) / 2

    @property
    def middle_y(self) -> float:
        return (self.top + self.bottom) / 2

    def x(self, value: float) -> float:
        return self.left + (self.right - self.left) * _share(value, self.x_range)

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * _share(value, self.y_range)


def text_width(text: str, size: float) -> float:
    return size * sum(map(_glyph, text))


def fitted(text: str, width: float, size: float) -> str:
    """The text, cut with an ellipsis where it would not fit."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(f"{text}…", size) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def legend_places(names: Sequence[str]) -> list[Place]:
    """The entries in rows, a new row where the next would not fit."""
    places: list[Place] = []
    x, row = 8.0, 0
    for full in names:
        name = fitted(full, WIDTH - 16 - SWATCH, 12)
        width = SWATCH + text_width(name, 12)
        if places and x + width > WIDTH - 8:
            x, row = 8.0, row + 1
        places.append(Place(name, row, x))
        x += width + 18
    return places


def _glyph(letter: str) -> float:
    """Width in em, as in DejaVu Sans, the widest of the usual fonts."""
    if letter in WIDE or unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    if letter in NARROW:
        return 0.42
    return 0.78 if letter.isupper() else 0.64


def _share(value: float, within: tuple[float, float]) -> float:
    low, high = within
    return (value - low) / (high - low)
