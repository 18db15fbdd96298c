"""Measuring and breaking words. All lengths are pixels; at 72 dots an inch a point is one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from matplotlib import font_manager
from matplotlib.backends.backend_agg import RendererAgg

DOTS_PER_INCH = 72
LINE = 1.25  # from one line to the next, times the size


@dataclass(frozen=True)
class Font:
    """One of the fonts that come with matplotlib, so that the words are the same on every machine."""

    family: str
    size: float
    bold: bool = False

    @property
    def line(self) -> float:
        return LINE * self.size


@cache
def width(text: str, font: Font) -> float:
    """How wide the text is on one line."""
    renderer = RendererAgg(8, 8, DOTS_PER_INCH)
    measured, _, _ = renderer.get_text_width_height_descent(text, _properties(font), ismath=False)
    return float(measured)


def widest(texts: Iterable[str], font: Font) -> float:
    return max((width(text, font) for text in texts), default=0.0)


def number_width(text: str, font: Font) -> float:
    """How wide a number at a mark is, with a little air at both sides."""
    return width(text, font) + 0.8 * font.size


def shorten(text: str, font: Font, room: float) -> str:
    """The text, or as much of its beginning as fits before `…`."""
    if width(text, font) <= room:
        return text
    kept = len(text)
    while kept > 1 and width(text[:kept].rstrip() + "…", font) > room:
        kept -= 1
    return text[:kept].rstrip() + "…"


def wrap(text: str, font: Font, room: float, lines: int) -> list[str]:
    """The text on at most so many lines, broken at blanks; what is too long ends in `…`."""
    done: list[str] = []
    words = text.split()
    while words:
        taken = 1
        while taken < len(words) and width(" ".join(words[: taken + 1]), font) <= room:
            taken += 1
        if len(done) == lines - 1:
            taken = len(words)
        done.append(shorten(" ".join(words[:taken]), font, room))
        words = words[taken:]
    return done or [""]


def missing_letters(text: str, family: str) -> str:
    """The signs of the text that the font cannot draw."""
    known = _letters(family)
    return "".join(dict.fromkeys(sign for sign in text if sign != "\n" and ord(sign) not in known))


@cache
def _letters(family: str) -> frozenset[int]:
    path = font_manager.findfont(font_manager.FontProperties(family=family))
    return frozenset(font_manager.get_font(path).get_charmap())


@cache
def _properties(font: Font) -> font_manager.FontProperties:
    return font_manager.FontProperties(family=font.family, size=font.size, weight="bold" if font.bold else "normal")
