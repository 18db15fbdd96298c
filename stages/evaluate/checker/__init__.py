"""Checks a clue about a CLEVR scene: true, false, or not judged.

A grammar (`clevr.lark`) covers the usual English of clues. The checker judges a clue only if it knows every word, and
if all readings of the clue agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput

from stages.evaluate.checker.claims import Claims, Nonsense, NotThere, Unsure
from stages.evaluate.checker.scene import Scene
from stages.evaluate.checker.words import Words, split

__all__ = ["Verdict", "check"]

LONGEST = 60  # words and stops in a clue
RELATIONS = 5  # in a clue; with more, the number of its readings explodes
READINGS = 64  # of a clue, before the checker gives up
_RELATING = {"behind", "left", "right", "front", "between", "that", "which", "not"}


@dataclass(frozen=True)
class Verdict:
    """`truth` is None if the checker does not judge the clue; then `why` gives the reason."""

    truth: bool | None
    why: str


def check(clue: str, scene: Mapping[str, Any]) -> Verdict:
    """Judge a clue, which may be any text, by a scene in the form that `scene_json.to_json` writes."""
    try:
        found = set(_readings(_parse(clue), Scene(scene)))
    except Unsure as reason:
        return Verdict(None, str(reason))
    if len(found) != 1:
        return Verdict(None, "true in one reading, false in another" if found else "no reading makes sense")
    return Verdict(found.pop(), "")


@cache
def _grammar() -> Lark:
    text = Path(__file__).with_name("clevr.lark").read_text(encoding="utf-8")
    return Lark(text, parser="earley", lexer=Words, ambiguity="explicit")


@cache
def _parse(clue: str) -> Tree[Token]:
    words = split(clue)
    if not words or len(words) > LONGEST:
        raise Unsure(f"more than {LONGEST} words" if words else "says nothing")
    if sum(word in _RELATING for word in words) > RELATIONS:
        raise Unsure(f"more than {RELATIONS} relations")
    try:
        return _grammar().parse(" ".join(words))
    except KeyError as error:
        raise Unsure(f"unknown word: {str(error.args[0])[:40]}") from None
    except UnexpectedInput:
        raise Unsure("a sentence that the grammar does not cover") from None


def _readings(tree: Tree[Token], scene: Scene) -> Iterator[bool]:
    """The truth of every reading that makes sense. `Unsure` if one is unclear, or if there are too many."""
    choices = _Choices()
    for _ in range(READINGS):
        try:
            yield bool(Claims(scene, choices.choose).of(tree))
        except NotThere:
            yield False
        except Nonsense:
            pass
        if not choices.advance():
            return
    raise Unsure("too many readings")


class _Choices:
    """Goes through all combinations of choices, like an odometer. A choice may decide what the next choice is about."""

    def __init__(self) -> None:
        self._taken: list[list[int]] = []  # for each choice: which option, of how many
        self._place = 0

    def choose(self, options: Sequence[Any]) -> Any:
        if self._place == len(self._taken):
            self._taken.append([0, len(options)])
        option = self._taken[self._place][0]
        self._place += 1
        return options[option]

    def advance(self) -> bool:
        """Go to the next combination; False after the last."""
        self._place = 0
        while self._taken and self._taken[-1][0] + 1 == self._taken[-1][1]:
            self._taken.pop()
        if self._taken:
            self._taken[-1][0] += 1
        return bool(self._taken)
