"""Fonts for charts: how wide a text is, where its lines break, and which letters a font has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.backends.backend_agg import RendererAgg

from stages.core.errors import InputError

DPI = 72  # makes a point one pixel


@cache
def lines_of(text: str, room: float, size: float, families: tuple[str, ...], weight: str = "normal") -> list[str]:
    """The text broken at spaces, so that each line fits into `room` pixels if its words do."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _width(longer, size, families, weight) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines or [""]


def text_width(text: str, size: float) -> float:
    """How wide the text is on one line, in pixels."""
    return _width(text, size, tuple(matplotlib.rcParams["font.family"]))


@cache
def _width(text: str, size: float, families: tuple[str, ...], weight: str = "normal") -> float:
    font = font_manager.FontProperties(family=list(families), size=round(size, 1), weight=weight)
    return float(RendererAgg(8, 8, DPI).get_text_width_height_descent(text, font, ismath=False)[0])


@cache
def families_of(font: str) -> tuple[str, ...]:
    """The names under which matplotlib knows a font file, the fonts of a Python package, or an installed font."""
    files = [Path(font)] if Path(font).is_file() else []
    if not files and re.fullmatch(r"\w+", font) and (spec := find_spec(font)) and spec.origin:
        files = sorted(Path(spec.origin).parent.rglob("*.[TtOo][Tt][FfCc]"))
    for file in files:
        font_manager.fontManager.addfont(file)
    names = [font_manager.get_font(file).family_name for file in files] or [font]
    if not files and font not in font_manager.get_font_names():
        raise InputError(
            f"games.charts.fonts: '{font}' is neither a font file, nor a package with fonts, nor an installed font"
        )
    return tuple(dict.fromkeys(names))


def missing_letters(text: str, families: Sequence[str]) -> str:
    """The characters of the text that none of the fonts can draw."""
    known = frozenset[int]().union(*(_letters(family) for family in families))
    return "".join(dict.fromkeys(sign for sign in text if not sign.isspace() and ord(sign) not in known))


@cache
def _letters(family: str) -> frozenset[int]:
    path = font_manager.findfont(font_manager.FontProperties(family=family))
    return frozenset(font_manager.get_font(path).get_charmap())
