"""Reads places: "to the left of the red cube", "behind and right of it", "on the left side of the picture"."""

from __future__ import annotations

from collections.abc import Iterator

from stages.evaluate.claims.grammar.phrases import Phrases
from stages.evaluate.claims.grammar.reader import Found, rule
from stages.evaluate.claims.lexicon.places import (
    BELONGING,
    BETWEEN,
    DEGREES,
    ENDS,
    FAR_ENDS,
    FIRST_SIDES,
    HALVES,
    ITS_SIDES,
    LEANINGS,
    NEAR,
    SIDES,
    TO_WHOM,
    VAGUE_PLACES,
)
from stages.evaluate.claims.lexicon.verbs import AND, OR, PLACED
from stages.evaluate.claims.meaning.logic import Both, Either, Predicate
from stages.evaluate.claims.meaning.phrases import Group, It, Quantified, Them
from stages.evaluate.claims.meaning.predicates import (
    Beside,
    Between,
    BetweenBoth,
    FarOn,
    InHalf,
    Leaning,
    Near,
    Nominal,
    Vague,
)
from stages.evaluate.claims.meaning.quantity import Quantity
from stages.evaluate.claims.meaning.ranks import Outermost


class Places(Phrases):
    @rule
    def where(self, at: int) -> Iterator[Found[Predicate]]:
        """One place or several: "on the left and behind the cube"."""
        for (items, word), end in self.series(at, self.place, AND, OR):
            yield joined(items, word), end

    @rule
    def place(self, at: int) -> Iterator[Found[Predicate]]:
        for placed in self.maybe(PLACED, at):
            yield from self._place(placed)
            for degree, start in self.match(DEGREES, placed):
                # A degree only adds to the place: where that is wrong, the whole is.
                yield from ((Both((place, Vague(degree))), end) for place, end in self._place(start))

    def _place(self, at: int) -> Iterator[Found[Predicate]]:
        for sides, start in self._sides(at):
            for whom, end in self.noun_phrases(start):
                yield Beside(sides, whom), end
        for word, start in self.match(NEAR, at):
            yield from ((Near(word, whom), end) for whom, end in self.noun_phrases(start))
        yield from self._belonging(at)
        yield from ((Beside((side,), It()), end) for side, end in self.match(ITS_SIDES, at))
        yield from self._between(at)
        if any(self._two_sides(at)):
            return  # "to the left and behind the cube" is not on the left of the picture
        yield from ((InHalf(side), end) for side, end in self.match(HALVES, at))
        yield from ((Nominal(rank=Outermost(side)), end) for side, end in self.match(ENDS, at))
        yield from ((Leaning(side), end) for side, end in self.match(LEANINGS, at))
        yield from ((FarOn(side), end) for side, end in self.match(FAR_ENDS, at))
        yield from ((Vague(word), end) for word, end in self.match(VAGUE_PLACES, at))

    def _sides(self, at: int) -> Iterator[Found[tuple[str, ...]]]:
        for side, end in self.match(SIDES, at):
            yield (side,), end
            for start in self.after(AND, end):
                yield from (((side, other), stop) for other, stop in self.match(SIDES, start))
        yield from self._two_sides(at)

    def _two_sides(self, at: int) -> Iterator[Found[tuple[str, ...]]]:
        for side, end in self.match(FIRST_SIDES, at):
            for start in self.after(AND, end):
                yield from (((side, other), stop) for other, stop in self.match(SIDES, start))

    def _belonging(self, at: int) -> Iterator[Found[Predicate]]:
        """ "to the red cube's left"."""
        for start in self.after(TO_WHOM, at):
            for whom, end in self.noun_phrase(start):
                if self.word(end) == "'s":
                    yield from ((Beside((side,), whom), stop) for side, stop in self.match(BELONGING, end + 1))

    def _between(self, at: int) -> Iterator[Found[Predicate]]:
        for start in self.after(BETWEEN, at):
            for whom, end in self.noun_phrases(start):
                if isinstance(whom, Group) and whom.word == "and" and len(whom.parts) == 2:
                    yield Between(whom.parts[0], whom.parts[1]), end
                elif isinstance(whom, Them) or (isinstance(whom, Quantified) and _pair(whom.quantity)):
                    yield BetweenBoth(whom), end


def joined(parts: tuple[Predicate, ...], word: str) -> Predicate:
    """Several predicates as one. In "left of the cube and behind it" the cube is meant again."""
    if len(parts) == 1 or word == "or":
        return parts[0] if len(parts) == 1 else Either(parts)
    found: list[Predicate] = []
    for part in parts:
        last = found[-1] if found else None
        if isinstance(last, Beside) and isinstance(part, Beside) and part.whom == It():
            found[-1] = Beside(last.sides + part.sides, last.whom)
        else:
            found.append(part)
    return found[0] if len(found) == 1 else Both(tuple(found))


def _pair(quantity: Quantity) -> bool:
    return quantity == Quantity("the") or 2 in (quantity.of, quantity.high)
