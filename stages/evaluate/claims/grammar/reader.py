"""The machinery of the grammar: rules that give every way in which words can be read from a position on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeVar

from stages.evaluate.claims.lexicon.words import Table

T = TypeVar("T")
S = TypeVar("S", bound="Reader")
Found = tuple[T, int]  # what was read, and the number of the word after it
Series = tuple[tuple[T, ...], str]  # what was listed, and the word that joins it: and, or, "," or "" for a single one

# No sensible clue comes near these; they keep the time for senseless text short.
MOST_READINGS = 120
MOST_STEPS = 6000
DEEPEST = 40
LONGEST_LIST = 10


class TooHard(Exception):
    """The words can be read in too many ways."""


def rule(method: Callable[[S, int], Iterator[Found[T]]]) -> Callable[[S, int], tuple[Found[T], ...]]:
    """All that a generator of readings gives at a position, each once; found once and remembered."""

    @wraps(method)
    def read(self: S, at: int) -> tuple[Found[T], ...]:
        key = (method.__name__, at)
        if key not in self.found:
            self.found[key] = ()  # no phrase begins with itself
            self.steps += 1
            self.depth += 1
            if self.steps > MOST_STEPS or self.depth > DEEPEST:
                raise TooHard
            readings = dict.fromkeys(method(self, at))
            self.depth -= 1
            if len(readings) > MOST_READINGS:
                raise TooHard
            self.found[key] = tuple(readings)
        found: tuple[Found[T], ...] = self.found[key]
        return found

    return read


class Reader:
    """Words and what was read in them so far."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words
        self.found: dict[tuple[str, int], Any] = {}
        self.steps = self.depth = 0

    def match(self, table: Table[T], at: int) -> Iterator[Found[T]]:
        return table.at(self.words, at)

    def after(self, table: Table[Any], at: int) -> Iterator[int]:
        """Where each phrase of `table` that begins here ends."""
        return (end for _, end in table.at(self.words, at))

    def maybe(self, table: Table[Any], at: int) -> Iterator[int]:
        yield at
        yield from self.after(table, at)

    def word(self, at: int) -> str:
        return self.words[at] if at < len(self.words) else ""

    def past_comma(self, at: int) -> int:
        return at + 1 if self.word(at) == "," else at

    def opens(self, at: int) -> bool:
        """Whether a sentence begins here."""
        return at == 0 or self.words[at - 1] == "."

    def joint(self, at: int, ands: Table[Any], ors: Table[Any]) -> Iterator[Found[str]]:
        start = self.past_comma(at)
        yield from (("and", end) for end in self.after(ands, start))
        yield from (("or", end) for end in self.after(ors, start))
        if start > at:
            yield ",", start

    def series(
        self, at: int, item: Callable[[int], tuple[Found[T], ...]], ands: Table[Any], ors: Table[Any]
    ) -> Iterator[Found[Series[T]]]:
        """One item or several: "A", "A, B", "A and B", "A, B or C"; never both "and" and "or"."""

        def more(items: tuple[T, ...], word: str, at: int) -> Iterator[Found[Series[T]]]:
            yield (items, word), at
            if len(items) >= LONGEST_LIST:
                raise TooHard
            for joint, start in self.joint(at, ands, ors):
                if word in ("", ",") or joint == word:
                    for another, end in item(start):
                        yield from more((*items, another), joint, end)

        for first, end in item(at):
            yield from more((first,), "", end)
