"""Places in a picture, in pixels from its lower left corner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # matplotlib measures words: it is not imported for a table that cannot be drawn
    from stages.make_games.charts.text import Font

GAP = 0.55  # between neighbouring parts, times the text's height


class NoRoom(Exception):
    """The picture is too small for what is written in it, so that another kind or part of the table must be tried."""


@dataclass(frozen=True)
class Box:
    """A rectangle."""

    left: float
    bottom: float
    width: float
    height: float


@dataclass
class Room:
    """The part of a picture that is still free."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def box(self) -> Box:
        """The room on whole pixels, so that edges are sharp."""
        left, bottom = round(self.left), round(self.bottom)
        return Box(left, bottom, round(self.right) - left, round(self.top) - bottom)

    def check(self, least: float) -> None:
        """`NoRoom` unless so many pixels are free each way."""
        if min(self.right - self.left, self.top - self.bottom) < least:
            raise NoRoom


@dataclass(frozen=True)
class Words:
    """A line of text: where it begins, ends or has its middle (`align`), and the middle of its height."""

    text: str
    x: float
    y: float
    font: Font
    align: str = "left"
    strong: bool = False  # in the colour of titles
    upright: bool = False  # turned by 90 degrees
