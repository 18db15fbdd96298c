r"""Reading what a model wrote: its answer is in the last `\boxed{…}`. What a model writes is untrusted.

Readers get what a model said outside its private thoughts (`thinking.py`). The answer is the last complete box that is
not empty and does not only repeat the requested format (`\boxed{number}`). If the text was cut off at its length limit,
the box must come last: a box in the middle of unfinished reasoning is not an answer.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from stages.core.game.quoting import one_line
from stages.core.game.votes import Vote, vote_of

UNREADABLE_CLUE = "(no readable clue)"

_BRACES = re.compile(r"\\(?:boxed|f(?:rame)?box)\s*\{|(?<![a-zA-Z\\])boxed\{|\\boxed\s*(\d{1,3})(?![\w.,])|\{|\}")
_TEXT_COMMAND = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|textrm|texttt)\s*\{([^{}]*)\}")
_NO_ANSWER = re.compile(
    r"[\s._…]*|(?:(?:the|a|an|one|your|my|final|player|seat)[\s_]+)*"
    r"(?:answer|vote|choice|clue|sentence|description|number|seat|player|n)(?:[\s_]+(?:here|number))?"
    r"(?:[\s_]+or[\s_]+n/a)?[\s.…]*",
    re.IGNORECASE,
)
_PLACEHOLDER_CHARS = 60  # a longer box is not a placeholder
_CLOSING = re.compile(r"(?:[\s$*_`.!)\]}\"']|\\[)\]])*")
_JOINED = re.compile(r"[\s$*,.;/&|]*(?:(?:and|or|und|oder|et|ou|y|o|e|и|или|和|或|と|か)[\s$*]*)?", re.IGNORECASE)
_JOINT_CHARS = 20


class _Box(NamedTuple):
    start: int  # of `\boxed`
    content: int  # the first character inside
    end: int  # after the last character inside
    after: int  # after the closing brace


def last_box(text: str, truncated: bool = False) -> str | None:
    r"""The content of the answer's box, including nested braces; None if there is no such box."""
    boxes = _answers(text, truncated)
    return text[boxes[0].content : boxes[0].end] if boxes else None


def read_thoughts(text: str, truncated: bool = False) -> str:
    """The reasoning on one line: everything before the answer's box."""
    boxes = _answers(text, truncated)
    return one_line(text[: boxes[0].start] if boxes else text)


def read_clue(text: str, max_chars: int, truncated: bool = False) -> str | None:
    """The clue as one line (`one_line`) of at most `max_chars` characters; None if no box has a readable clue."""
    content = last_box(text, truncated)
    if content is None:
        return None
    line = one_line(_unwrap(content))
    return line[:max_chars].rstrip() or None


def read_vote(text: str, players: int, truncated: bool = False) -> Vote:
    r"""A seat from 1 to `players`, N/A, or unreadable. `votes.py` interprets the box's content.

    Boxes side by side ("\boxed{1} or \boxed{2}") are one answer and must agree.
    """
    answers = {text[box.content : box.end] for box in _answers(text, truncated)}
    votes = {vote_of(answer, players) for answer in answers}
    return votes.pop() if len(votes) == 1 else Vote("unreadable")


def _answers(text: str, truncated: bool) -> list[_Box]:
    """The answer's box, followed by the boxes directly before it in the text; empty if there is no answer."""
    boxes = sorted(_boxes(text))
    while boxes and _is_placeholder(text, boxes[-1]):
        boxes.pop()
    boxes.reverse()
    if not boxes or (truncated and not _CLOSING.fullmatch(text, boxes[0].after)):
        return []
    count = 1
    for box, before in pairwise(boxes):
        gap = box.start - before.after
        if not (0 <= gap <= _JOINT_CHARS and _JOINED.fullmatch(text, before.after, box.start)):
            break
        count += 1
    return boxes[:count]


def _is_placeholder(text: str, box: _Box) -> bool:
    content = text[box.content : box.end] if box.end - box.content <= _PLACEHOLDER_CHARS else "too long"
    return _NO_ANSWER.fullmatch(_unwrap(content).strip("# ")) is not None


def _boxes(text: str) -> list[_Box]:
    """All complete boxes, found in one pass over the braces, so that reading takes linear time for any text."""
    open_braces: list[tuple[int, int] | None] = []  # the start of a box and of its content; None for any other brace
    found: list[_Box] = []
    for brace in _BRACES.finditer(text):
        sign = brace.group()
        if brace.group(1):
            found.append(_Box(brace.start(), *brace.span(1), brace.end()))
        elif sign != "}":
            open_braces.append(None if sign == "{" else brace.span())
        elif open_braces and (opened := open_braces.pop()):
            found.append(_Box(*opened, brace.start(), brace.end()))
    return found


def _unwrap(content: str) -> str:
    """`\\text{N/A}` → `N/A`. Models nest these commands only a few levels deep."""
    for _ in range(3):
        content = _TEXT_COMMAND.sub(r"\1", content)
    return content
