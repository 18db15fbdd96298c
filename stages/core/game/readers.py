r"""Reading what a model wrote: the last `\boxed{…}`, made safe. What a model says is untrusted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from stages.core.game.quoting import one_line, visible

UNREADABLE_CLUE = "(no readable clue)"
VoteKind = Literal["seat", "na", "unreadable"]

_BRACES = re.compile(r"\\boxed\s*\{|\{|\}")
_TEXT_COMMAND = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|textrm|texttt)\s*\{([^{}]*)\}")
_NA = re.compile(r"n\s*/?\s*a\.?|not applicable", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+")
_SEAT = re.compile(
    r"(?:the\s+)?(?:spy\s+is\s+)?(?:player|seat|spy|number|no\.?|#)?\s*[#:]?\s*([0-9]{1,3})\s*[.!]?", re.IGNORECASE
)
_MAX_BOX = 20_000  # characters; an answer longer than any token limit allows is garbage


@dataclass(frozen=True)
class Vote:
    """A vote as read: the seat when `kind` is "seat", else None."""

    kind: VoteKind
    seat: int | None = None


def last_box(text: str) -> str | None:
    r"""The content of the last complete `\boxed{…}`, nested braces included; None when there is none."""
    span = _last_box_span(text)
    return text[span.content : span.end] if span else None


def read_thoughts(text: str) -> str:
    """The reasoning: all that stands before the last box, as one harmless line, so that none of its lines can be
    taken for one of the transcript."""
    span = _last_box_span(text)
    return one_line(text[: span.start] if span else text)


def read_clue(text: str, max_chars: int) -> str | None:
    """The clue as one line (`one_line`) of at most `max_chars` characters, or None when nothing readable was boxed."""
    content = last_box(text)
    if content is None:
        return None
    line = one_line(_unwrap(content))
    return line[:max_chars].rstrip() or None


def read_vote(text: str, players: int) -> Vote:
    """A seat from 1 to `players`, N/A, or unreadable (no box, a seat beyond the players, two different seats)."""
    content = last_box(text)
    if content is None or len(content) > _MAX_BOX:
        return Vote("unreadable")
    answer = visible(_unwrap(content)).strip(" .:*_'\"$()[]")
    if _NA.fullmatch(answer):
        return Vote("na")
    numbers = {int(number) for number in _NUMBER.findall(answer) if len(number) <= 3}
    if len(numbers) != 1 or len(_NUMBER.findall(answer)) != len(numbers):
        return Vote("unreadable")
    seat = numbers.pop()
    if not _SEAT.fullmatch(answer) or not 1 <= seat <= players:
        return Vote("unreadable")
    return Vote("seat", seat)


class _Span(NamedTuple):
    start: int  # of `\boxed`
    content: int  # first character inside
    end: int  # the closing brace


def _last_box_span(text: str) -> _Span | None:
    """One pass over the braces, so that reading is linear in the text whatever it holds."""
    open_braces: list[tuple[int, int] | None] = []  # where a box begins and its content; None for another brace
    last: _Span | None = None
    for brace in _BRACES.finditer(text):
        sign = brace.group()
        if sign != "}":
            open_braces.append(None if sign == "{" else brace.span())
        elif open_braces:
            opened = open_braces.pop()
            if opened and (last is None or opened[0] > last.start):
                last = _Span(*opened, brace.start())
    return last


def _unwrap(content: str) -> str:
    """`\\text{N/A}` → `N/A`; a few levels are enough for what models write."""
    for _ in range(3):
        content = _TEXT_COMMAND.sub(r"\1", content)
    return content
