"""What a player wrote, made one line that is safe in the next prompt: nothing in it can pose as another seat."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_HARMLESS = str.maketrans('{}<>[]\\|`"', "()()()//''") | {ord(sign): ":" for sign in "ː˸׃։፡᛬⁚∶⦂꞉"}
_MAX_MARKS = 30  # combining marks in a row, as Unicode's stream-safe text has at most
_FORGED = re.compile(
    r"(?:(?:player|seat|spieler|system|user|assistant|analyst|human)\s*#?\s*\d*|(?<!\w)\d+)\s*:", re.IGNORECASE
)


def one_line(text: str) -> str:
    """Visible characters on one line: no control, format (bidi) or line-breaking characters, single spaces.

    Braces and brackets go too, so that no box, tag or template can be smuggled into the next prompt, and
    a forged speaker ("Player 3:", or "3:" as the compact prompts write it) loses its colon.
    """
    return _FORGED.sub(lambda match: match.group().rstrip(": ") + ",", visible(text))


def visible(text: str) -> str:
    kept = [" " if _breaks(char) else char for char in unicodedata.normalize("NFKC", _few_marks(text))]
    return " ".join("".join(kept).split()).translate(_HARMLESS)


def _few_marks(text: str) -> str:
    """`text` without the rest of a heap of combining marks, which normalisation sorts in quadratic time."""
    if text.isascii() or not any(map(unicodedata.combining, set(text))):
        return text
    kept, marks = [], 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= _MAX_MARKS:
            kept.append(char)
    return "".join(kept)


@lru_cache(maxsize=4096)
def _breaks(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}
