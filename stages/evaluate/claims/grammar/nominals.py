"""Reads nouns with what stands around them: "leftmost small red cube that is behind the sphere"."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from stages.evaluate.claims.grammar.quantities import Quantities
from stages.evaluate.claims.grammar.reader import Found, Series, rule
from stages.evaluate.claims.lexicon.places import FROM_SIDE, ORDINALS, OUTERMOST, OUTERMOST_TAILS, RANK_TAILS
from stages.evaluate.claims.lexicon.verbs import AND, AND_OR_BUT, IN_COLOR, IS, OR
from stages.evaluate.claims.lexicon.words import (
    ADJECTIVES,
    LARGER,
    NON,
    NOUNS,
    NUMBERS,
    OF_THE,
    ONE,
    SIZED,
    VAGUE_ADJECTIVES,
)
from stages.evaluate.claims.meaning.logic import Anything, Both, Either, Not, Predicate
from stages.evaluate.claims.meaning.predicates import Echo, Is, Nominal, OfNumber, Vague
from stages.evaluate.claims.meaning.ranks import Nth, Outermost, Rank, Sized


@dataclass(frozen=True)
class Trail:
    """What follows a noun; a rank where that is a superlative."""

    parts: tuple[Predicate, ...] = ()
    rank: Rank | None = None


class Nominals(Quantities, ABC):
    @abstractmethod
    def trailing(self, at: int) -> Sequence[Found[Trail]]:
        """All that can follow a noun, nothing included."""

    @rule
    def nominal(self, at: int) -> Iterator[Found[Nominal]]:
        for rank, start in self.ranks(at):
            for before, middle in self.modifiers(start):
                for (head, plural), end in (*self._head(middle), *self._no_head(rank, at, middle)):
                    for last, stop in self._finished(rank, end):
                        for trail, close in self.trailing(stop):
                            if last is None or trail.rank is None:
                                yield Nominal(before, head, trail.parts, last or trail.rank, plural), close
                        if last is not None:
                            yield from self._ranked_of(Nominal(before, head, (), last, plural), stop)

    def _ranked_of(self, ranked: Nominal, at: int) -> Iterator[Found[Nominal]]:
        """ "(the leftmost) of the three cubes", "(the larger) of the two"."""
        for start in self.after(OF_THE, at):
            for number, end in self.match(NUMBERS, start):
                head = Anything() if isinstance(ranked.head, Echo) else ranked.head
                yield replace(ranked, head=head, after=(OfNumber(number),)), end
            for middle in (start, *(end for _, end in self.match(NUMBERS, start))):
                for what, end in self.nominal(middle):
                    if not isinstance(ranked.head, Is) and what.plural and what.rank is None:
                        yield replace(what, rank=ranked.rank, plural=ranked.plural), end

    @rule
    def elliptic(self, at: int) -> Iterator[Found[Nominal]]:
        """A noun left out: "(two) red", "(a) small metallic", "(one) behind the cube"."""
        for before, end in self.modifiers(at):
            for trail, stop in self.trailing(end):
                if (before or trail.parts) and trail.rank is None:
                    yield Nominal(before, None, trail.parts), stop

    @rule
    def nominals(self, at: int) -> Iterator[Found[Series[Nominal]]]:
        """One, or several that share a quantity; what stands around one may be meant of all."""
        for (items, word), end in self.series(at, self.nominal, AND, OR):
            if any(is_pronoun(each) for each in items[1:]):
                continue
            yield (items, word), end
            if len(items) > 1:
                first, last = items[0], items[-1]
                before = first.before if not any(each.before for each in items[1:]) else ()
                after = last.after if not any(each.after for each in items[:-1]) else ()
                for ahead, behind in ((before, ()), ((), after), (before, after)):
                    yield (tuple(_around(each, ahead, behind) for each in items), word), end

    @rule
    def ranks(self, at: int) -> Iterator[Found[Rank | None]]:
        yield None, at
        yield from ((Outermost(side), end) for side, end in self.match(OUTERMOST, at))
        yield from ((Sized(value), end) for value, end in (*self.match(SIZED, at), *self.match(LARGER, at)))
        yield from ((Nth(number, ""), end) for number, end in self.match(ORDINALS, at))

    def _finished(self, rank: Rank | None, at: int) -> Iterator[Found[Rank | None]]:
        """The rest of a rank, after the noun: "the closest cube to the camera", "the second one from the left"."""
        if isinstance(rank, Nth):
            yield from ((Nth(rank.number, side), end) for side, end in self.match(FROM_SIDE, at))
        else:
            yield rank, at
            if rank is not None:
                yield from ((rank, end) for end in self.after(RANK_TAILS, at))
            if isinstance(rank, Outermost):
                yield from ((rank, end) for end in self.after(OUTERMOST_TAILS, at))

    @rule
    def modifiers(self, at: int) -> Iterator[Found[tuple[Predicate, ...]]]:
        """Adjectives before a noun, none included, with commas or "and" between them."""
        yield (), at
        for first, end in self.modifier(at):
            yield (first,), end
            commas = self.past_comma(end)
            for start in {end, commas, *self.after(AND_OR_BUT, commas)}:
                for rest, stop in self.modifiers(start):
                    if rest and compatible((first, *rest)):
                        yield (first, *rest), stop

    @rule
    def modifier(self, at: int) -> Iterator[Found[Predicate]]:
        for (items, word), end in self.series(at, self.adjective, AND, OR):
            if len(items) == 1:
                yield items[0], end
            elif word == "or":
                yield Either(items), end
            elif _rivals(items):
                yield Either(items, mixed=True), end

    @rule
    def adjective(self, at: int) -> Iterator[Found[Predicate]]:
        for start in self.maybe(NON, at):
            for values, end in self.match(ADJECTIVES, start):
                parts = tuple(Is(attribute, value) for attribute, value in values)
                found: Predicate = parts[0] if len(parts) == 1 else Both(parts)
                for stop in self.maybe(IN_COLOR, end):
                    yield (found if start == at else Not(found)), stop
        yield from ((Vague(word), end) for word, end in self.match(VAGUE_ADJECTIVES, at))

    def _head(self, at: int) -> Iterator[Found[tuple[Predicate, bool]]]:
        """The noun and whether it is plural."""
        for (shape, plural), end in self.match(NOUNS, at):
            yield (Is("shape", shape) if shape else Anything(), plural), end
        yield from (((Echo(), plural), end) for plural, end in self.match(ONE, at))

    def _no_head(self, rank: Rank | None, start: int, at: int) -> Iterator[Found[tuple[Predicate, bool]]]:
        """No noun: "the leftmost", "second from the left". "Is the leftmost" is of all there is."""
        the = start > 0 and self.words[start - 1] == "the"
        if any(other for start in self.after(AND, at) for other, _ in self.ranks(start)):
            return  # "the leftmost and rightmost cubes"
        if rank is not None and (the or isinstance(rank, Nth) or self.opens(start)):
            of_all = the and start > 1 and any(self.after(IS, start - 2))
            yield (Anything() if of_all else Echo(), False), at


def is_pronoun(nominal: Nominal) -> bool:
    """Whether it is "one" alone, which is a noun only after other words."""
    return isinstance(nominal.head, Echo) and not nominal.before and nominal.rank is None


def _around(nominal: Nominal, before: tuple[Predicate, ...], after: tuple[Predicate, ...]) -> Nominal:
    return replace(nominal, before=nominal.before or before, after=nominal.after or after)


def compatible(parts: Sequence[Predicate]) -> bool:
    """Whether no attribute is given two values: nobody calls one thing both red and blue."""
    said = [each for part in parts for each in (part.parts if isinstance(part, Both) else (part,))]
    values = [each for each in said if isinstance(each, Is)]
    choices = [each.parts for each in said if isinstance(each, Either)]
    return all(
        one.value == other.value for one in values for other in values if one.attribute == other.attribute
    ) and not any(
        isinstance(part, Is) and part.attribute == one.attribute
        for one in values
        for parts in choices
        for part in parts
    )


def _rivals(parts: Sequence[Predicate]) -> bool:
    """Whether all are different values of the same attribute."""
    values = [part for part in parts if isinstance(part, Is)]
    same = len({part.attribute for part in values}) == 1 and len(values) == len(parts)
    return same and len({part.value for part in values}) == len(parts)
