"""Reads what follows nouns: "made of metal", "that is behind the cube", "with a sphere to its left"."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from stages.evaluate.claims.grammar.nominals import Trail, compatible
from stages.evaluate.claims.grammar.places import Places, joined
from stages.evaluate.claims.grammar.reader import Found, Series, rule
from stages.evaluate.claims.lexicon.places import OUTERMOST_AFTER, OWN_SIDES
from stages.evaluate.claims.lexicon.verbs import (
    AND,
    AS,
    COLORED,
    DIFFERENT,
    IS,
    MADE_OF,
    OF,
    OR,
    SAME,
    SIGHT,
    THAN,
    THAT,
    THERE,
    WHOSE,
    WITH,
)
from stages.evaluate.claims.lexicon.words import ATTRIBUTE_NOUNS, COMPARATIVES, EQUATIVES, LOOKS, THE, A
from stages.evaluate.claims.meaning.logic import Anything, Both, Either, Not, Predicate
from stages.evaluate.claims.meaning.predicates import Holding, Is, Like
from stages.evaluate.claims.meaning.ranks import Outermost


class Features(Places, ABC):
    @abstractmethod
    def verb_phrase(self, at: int) -> Sequence[Found[Predicate]]:
        """What can be said of a subject, verb included."""

    @rule
    def trailing(self, at: int) -> Iterator[Found[Trail]]:
        yield Trail(), at
        for side, middle in self._outermost(at):
            yield from (
                (Trail(rest.parts, Outermost(side)), end) for rest, end in self.trailing(middle) if not rest.rank
            )
        for first, end in self.trailer(at):
            for rest, stop in self.trailing(end):
                parts = rest.parts if first == Anything() else (first, *rest.parts)
                if compatible(parts):
                    yield Trail(parts, rest.rank), stop

    def _outermost(self, at: int) -> Iterator[Found[str]]:
        """ "closest to the camera", "that is furthest to the left": of all that the noun names."""
        yield from self.match(OUTERMOST_AFTER, at)
        for start in self.after(THAT, self.past_comma(at)):
            for middle in self.after(IS, start):
                for end in self.maybe(THE, middle):
                    yield from self.match(OUTERMOST_AFTER, end)

    @rule
    def trailer(self, at: int) -> Iterator[Found[Predicate]]:
        """One thing that follows a noun, between commas or not."""
        start = self.past_comma(at)
        for found, end in self._trailer(start):
            yield found, end
            if start > at and self.word(end) == ",":
                yield found, end + 1
        if start > at:
            for (items, word), end in self.series(start, self._quality, AND, OR):
                if word == "or" or compatible(items):
                    yield joined(items, word), end
                    if self.word(end) == ",":
                        yield joined(items, word), end + 1

    @rule
    def _quality(self, at: int) -> Iterator[Found[Predicate]]:
        yield from self.adjective(at)
        yield from self.look(at)

    def _trailer(self, at: int) -> Iterator[Found[Predicate]]:
        yield from self.where(at)
        yield from self.look(at)
        yield from self.likeness(at)
        for table in (THERE, SIGHT):
            yield from ((Anything(), end) for end in self.after(table, at))
        for start in self.after(THAT, at):
            # A superlative is read by `trailing`.
            yield from ((said, end) for said, end in self.verb_phrase(start) if getattr(said, "rank", None) is None)
        for start in self.after(WHOSE, at):
            yield from self.valued(start)
        for start in self.after(WITH, at):
            yield from self.holding(start)

    @rule
    def valued(self, at: int) -> Iterator[Found[Predicate]]:
        """ "color is red": an attribute with its value, after "its" or "whose"."""
        for name, end in self.match(ATTRIBUTE_NOUNS, at):
            for start in self.after(IS, end):
                yield from ((found, stop) for found, stop in self.described(start) if about(found, name))

    @rule
    def described(self, at: int) -> Iterator[Found[Predicate]]:
        """Adjectives alone: "red", "small and metallic", "either red or blue"."""
        for (items, word), end in self.series(at, self.adjective, AND, OR):
            if word == "or":
                yield Either(items), end
            elif compatible(items):
                yield items[0] if len(items) == 1 else Both(items), end

    def described_each(self, at: int) -> Iterator[Found[Series[Predicate]]]:
        """Adjectives one by one, that need not be true of one object."""
        return self.series(at, self.adjective, AND, OR)

    @rule
    def look(self, at: int) -> Iterator[Found[Predicate]]:
        """ "made of shiny metal", "with a matte finish", "of red color", "colored red"."""
        for start in self.after(MADE_OF, at):
            yield from self.likeness(start)
            for middle in self.maybe(A, start):
                for parts, end in self.modifiers(middle):
                    if parts:
                        yield from ((Both(parts), stop) for stop in self.maybe(LOOKS, end))
        for start in self.after(WITH, at):
            yield from self.looks(start)
        for start in self.after(COLORED, at):
            yield from ((found, end) for found, end in self.described(start) if about(found, "color"))

    def looks(self, at: int) -> Iterator[Found[Predicate]]:
        """ "a large size and a metallic finish", after "has" or "with"."""
        for (items, word), end in self.series(at, self._look_of, AND, OR):
            yield joined(items, word), end

    @rule
    def _look_of(self, at: int) -> Iterator[Found[Predicate]]:
        for start in (*self.maybe(A, at), *self.after(THE, at)):
            for parts, middle in self.modifiers(start):
                if parts:
                    yield from ((Both(parts), end) for end in self.after(LOOKS, middle))

    @rule
    def holding(self, at: int) -> Iterator[Found[Predicate]]:
        """ "a sphere to its left", after "has" or "with"."""
        for what, end in self.noun_phrases(at):
            yield from ((Holding(side, what), stop) for side, stop in self.match(OWN_SIDES, end))
        for side, end in self.match(OWN_SIDES, at):
            yield from ((Holding(side, what), stop) for what, stop in self.noun_phrases(end))

    @rule
    def likeness(self, at: int) -> Iterator[Found[Predicate]]:
        """ "the same colour as the cube", "bigger than the sphere", "as small as the others"."""
        for start in self.maybe(OF, at):
            for how, table in (("same", SAME), ("different", DIFFERENT)):
                for middle in self.after(table, start):
                    for names, end in self.attributes(middle):
                        yield from self._compared(names, how, end)
        for how, end in self.match(COMPARATIVES, at):
            for start in self.after(THAN, end):
                yield from ((Like(("size",), how, whom), stop) for whom, stop in self.noun_phrases(start))
        if self.word(at) == "as":
            for end in self.after(EQUATIVES, at + 1):
                if self.word(end) == "as":
                    yield from self._compared(("size",), "same", end)

    def _compared(self, names: tuple[str, ...], how: str, at: int) -> Iterator[Found[Predicate]]:
        for start in self.after(AS, at):
            yield from ((Like(names, how, whom), end) for whom, end in self.noun_phrases(start))

    @rule
    def attributes(self, at: int) -> Iterator[Found[tuple[str, ...]]]:
        for (names, _), end in self.series(at, self._attribute, AND, OR):
            yield names, end

    def _attribute(self, at: int) -> tuple[Found[str], ...]:
        return tuple(self.match(ATTRIBUTE_NOUNS, at))


def about(found: Predicate, attribute: str) -> bool:
    """Whether values of that attribute alone are named."""
    if isinstance(found, Is):
        return found.attribute == attribute
    if isinstance(found, Both | Either):
        return all(about(part, attribute) for part in found.parts)
    return isinstance(found, Not) and about(found.part, attribute)
