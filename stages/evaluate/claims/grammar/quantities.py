"""Reads quantities: "exactly two", "at least three of the", "all but one"."""

from __future__ import annotations

from collections.abc import Iterator

from stages.evaluate.claims.grammar.reader import Found, Reader, rule
from stages.evaluate.claims.lexicon.verbs import OF
from stages.evaluate.claims.lexicon.words import (
    ALL_BUT,
    BETWEEN_NUMBERS,
    COUNTED,
    DETERMINERS,
    EXACT,
    LEAST,
    MOST,
    NUMBERS,
    OF_THE,
    OR_FEWER,
    OR_MORE,
    TO_NUMBER,
)
from stages.evaluate.claims.meaning.quantity import ENDLESS, Quantity

Bounds = tuple[int, int]


class Quantities(Reader):
    @rule
    def quantity(self, at: int) -> Iterator[Found[Quantity]]:
        yield from self.match(DETERMINERS, at)
        for (low, high), end in self.bounds(at):
            yield Quantity("count", low, high), end
            yield from self._part(low, high, end)
        for name, start in self.match(COUNTED, at):
            for number, end in self.match(NUMBERS, start):
                yield Quantity(name, of=number), end
        for start in self.after(ALL_BUT, at):
            for number, end in self.match(NUMBERS, start):
                yield from ((Quantity("all but", number), stop) for stop in self.maybe(OF_THE, end))

    def _part(self, low: int, high: int, at: int) -> Iterator[Found[Quantity]]:
        """ "(two) of the", "(two) of the three"."""
        for start in self.after(OF, at):  # "two of three cubes"
            yield from ((Quantity("part", low, high, of=number), end) for number, end in self.match(NUMBERS, start))
        for start in self.after(OF_THE, at):
            yield Quantity("part", low, high), start
            for number, end in self.match(NUMBERS, start):
                yield Quantity("part", low, high, of=number), end

    @rule
    def bounds(self, at: int) -> Iterator[Found[Bounds]]:
        """The least and the most that a number and the words around it allow."""
        for start in self.maybe(EXACT, at):
            yield from (((number, number), end) for number, end in self.match(NUMBERS, start))
        for more, start in self.match(LEAST, at):
            yield from (((number + more, ENDLESS), end) for number, end in self.match(NUMBERS, start))
        for less, start in self.match(MOST, at):
            yield from (((0, number + less), end) for number, end in self.match(NUMBERS, start))
        for start in self.maybe(BETWEEN_NUMBERS, at):
            yield from self._range(start)

    def _range(self, at: int) -> Iterator[Found[Bounds]]:
        """ "two or three", "two to four", "two or more"."""
        for low, end in self.match(NUMBERS, at):
            yield from (((low, ENDLESS), stop) for stop in self.after(OR_MORE, end))
            yield from (((0, low), stop) for stop in self.after(OR_FEWER, end))
            for start in self.after(TO_NUMBER, end):
                joint, between = self.word(start - 1), self.word(at - 1) == "between"
                for high, stop in self.match(NUMBERS, start):
                    if low < high and (joint == "and") == between and (joint != "or" or high == low + 1):
                        yield (low, high), stop
