"""Turns a player's text into one line that is safe in the next prompt: nothing in it can pose as another player."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

OPEN, CLOSE = "“”"
_INNER_QUOTES = str.maketrans(OPEN + CLOSE, '""')
_JOINERS = "\u200c\u200d"  # Persian, the scripts of India and many emoji need them
# Chat templates and processors read these as tokens: <|im_end|>, </s>, <image>, <｜User｜>, ◁/think▷, and the bracketed
# tokens of Mistral, Pixtral, GLM, Kimi and BERT. Other brackets are ordinary text: "[2019]", "< 10".
_TAG = re.compile(
    r"[<＜◁](?=[/|｜!]?[^\W\d][^\s<>＜＞◁▷]*[>＞▷]|[|｜][^\s<>＜＞]*[>＞])"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|TOOL_\w+|AVAILABLE_TOOLS|IMG\w*|AUDIO|BEGIN_AUDIO|THINK|PREFIX|MIDDLE|SUFFIX|"
    r"BOS|EOS|EOT|PAD|UNK|CLS|SEP|[gs]?MASK)\])"
)
_HARMLESS = str.maketrans('{}<>[]\\|`"', "()()()//''") | {ord(sign): ":" for sign in "ː˸׃։፡᛬⁚∶⦂꞉"}
_MAX_MARKS = 30  # combining marks in a row, the maximum in Unicode's stream-safe text
_FORGED = re.compile(
    r"(?:(?:player|seat|spieler|system|user|assistant|analyst|human)\s*#?\s*\d*|(?<!\w)\d+)\s*:", re.IGNORECASE
)


def one_line(text: str) -> str:
    """`text` on one line, safe between “ and ”, and otherwise unchanged.

    Line breaks and control characters become single spaces, and invisible characters are removed. “ and ” become
    straight quotes. Text that a model would read as a special token gets a space after its first bracket.
    """
    seen = "".join(_visible_or_space(char) for char in text).translate(_INNER_QUOTES)
    return _TAG.sub(r"\g<0> ", " ".join(seen.split()))


def quoted(line: str) -> str:
    """A line from `one_line` between “ and ”. It contains neither, so the quotation ends where the line ends."""
    return f"{OPEN}{line}{CLOSE}"


def bare(line: str) -> str:
    """A line for prompts without quotation marks, such as those of the compact prompt set.

    Characters are normalised (NFKC), braces and brackets become round, and a forged speaker ("Player 3:", or "3:")
    loses its colon.
    """
    kept = [" " if _invisible(char) else char for char in unicodedata.normalize("NFKC", _with_few_marks(line))]
    harmless = " ".join("".join(kept).split()).translate(_HARMLESS)
    return _FORGED.sub(lambda match: match.group().rstrip(": ") + ",", harmless)


def _with_few_marks(text: str) -> str:
    """`text` with long runs of combining marks cut short, since normalisation sorts them in quadratic time."""
    if text.isascii() or not any(map(unicodedata.combining, set(text))):
        return text
    kept, marks = [], 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= _MAX_MARKS:
            kept.append(char)
    return "".join(kept)


def _visible_or_space(char: str) -> str:
    """The character itself, a space for a line break or control character, or nothing for another invisible one."""
    category = _invisible(char)
    if not category or char in _JOINERS:
        return char
    return "" if category == "Cf" else " "


@lru_cache(maxsize=4096)
def _invisible(char: str) -> str | None:
    """The Unicode category of an invisible character: control, format, private, unassigned, line break."""
    category = unicodedata.category(char)
    return category if category in {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"} else None
