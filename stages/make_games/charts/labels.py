"""Labels of rows along an axis: on one line or more, turned, or only some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from stages.make_games.charts.text import Font, shorten, widest, width, wrap
from stages.make_games.charts.words import NoRoom

_APART = 5.0  # pixels between neighbouring labels, at least
_MOST_HEIGHT = 0.3  # of the picture, for turned labels
_MOST_WIDTH = 0.36  # of the picture, for labels beside lying bars
_LEAST_LINE = 0.8  # height of a line of words, times their size, below which neighbouring lines touch


@dataclass(frozen=True)
class Labels:
    """What is written for each row (empty: nothing), by how many degrees it is turned, and the room in pixels."""

    texts: tuple[str, ...]
    turned: int = 0
    room: float = 0.0
    whole: bool = True  # nothing is cut off


def below(labels: Sequence[str], font: Font, slot: float, left: float, height: float) -> Labels:
    """Labels under upright bars, `slot` pixels for each, with `left` pixels free before the first slot.

    On one line if they fit; else on up to three; else turned. `height`: of the picture.
    """
    if widest(labels, font) <= slot - _APART:
        return Labels(tuple(labels), room=font.line)
    lines = [wrap(label, font, slot - _APART, 3) for label in labels]
    if all(" ".join(parts) == " ".join(label.split()) for parts, label in zip(lines, labels, strict=True)):
        return Labels(tuple("\n".join(parts) for parts in lines), room=font.line * max(map(len, lines)))
    return _turned(labels, font, slot, left, height)


def along(labels: Sequence[str], places: Sequence[float], font: Font, slot: float) -> Labels:
    """Labels under a line, at places `slot` pixels apart: all, or every second, third, … so that none touch."""
    every = 1
    while every < len(labels) and _touch(labels[::every], places[::every], font, slot):
        every += 1
    return Labels(tuple(label if row % every == 0 else "" for row, label in enumerate(labels)), room=font.line)


def _touch(labels: Sequence[str], places: Sequence[float], font: Font, slot: float) -> bool:
    spans = [(place * slot, width(label, font) / 2 + _APART) for label, place in zip(labels, places, strict=True)]
    return any(one + half > other - next_half for (one, half), (other, next_half) in pairwise(spans))


def beside(labels: Sequence[str], font: Font, slot: float, picture: float) -> Labels:
    """Labels left of lying bars, `slot` pixels high each, in one line or two. `picture`: its width."""
    _check_lines(font, slot)
    most = _MOST_WIDTH * picture
    lines = [wrap(label, font, most, 2 if slot >= 2 * font.line else 1) for label in labels]
    whole = all(" ".join(parts) == " ".join(label.split()) for parts, label in zip(lines, labels, strict=True))
    room = max(widest(parts, font) for parts in lines)
    return Labels(tuple("\n".join(parts) for parts in lines), room=room, whole=whole)


def _turned(labels: Sequence[str], font: Font, slot: float, left: float, height: float) -> Labels:
    _check_lines(font, slot)
    slanted = slot >= 1.2 * font.line
    length = _MOST_HEIGHT * height
    if slanted:  # the first label must not leave the picture to the left
        length = min(length, left + slot / 2 - _APART) * sqrt(2) - font.size
    texts = tuple(shorten(label, font, length) for label in labels)
    longest = widest(texts, font)
    room = (longest + font.size) / sqrt(2) if slanted else longest
    return Labels(texts, 45 if slanted else 90, room, whole=texts == tuple(labels))


def _check_lines(font: Font, slot: float) -> None:
    """`NoRoom` unless lines of words `slot` pixels apart keep off one another."""
    if slot < _LEAST_LINE * font.size:
        raise NoRoom
