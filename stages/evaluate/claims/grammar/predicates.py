"""Reads what is said of a subject: "is red and metallic", "sits behind the cube", "has a sphere to its left"."""

from __future__ import annotations

from collections.abc import Iterator

from stages.evaluate.claims.grammar.features import Features, about
from stages.evaluate.claims.grammar.nominals import compatible
from stages.evaluate.claims.grammar.places import joined
from stages.evaluate.claims.grammar.reader import Found, rule
from stages.evaluate.claims.lexicon.places import OUTERMOST, OUTERMOST_AFTER
from stages.evaluate.claims.lexicon.verbs import (
    AND_OR_BUT,
    BOTH_OR_ALL,
    DIFFERS,
    DOES,
    EITHER,
    HAS,
    IN,
    IS,
    ITS,
    MATCHES,
    NEITHER,
    NOR,
    NOT,
    OR,
    SAME,
    SHARES,
    STANDS,
    THERE,
    WITH,
)
from stages.evaluate.claims.lexicon.words import COMPARATIVES, LOOKS, SIZED, THE, A
from stages.evaluate.claims.meaning.logic import Anything, Both, Either, Not, NounPhrase, Predicate
from stages.evaluate.claims.meaning.phrases import Group, Others, Quantified, The
from stages.evaluate.claims.meaning.predicates import Like, LikeBefore, Member, Nominal, Said
from stages.evaluate.claims.meaning.quantity import BARE, BARE_PLURAL, NO, at_least
from stages.evaluate.claims.meaning.ranks import Outermost, Sized


class Predicates(Features):
    @rule
    def verb_phrase(self, at: int) -> Iterator[Found[Predicate]]:
        """One verb with its complement, or several: "is red and sits behind the cube"."""
        for (items, word), end in self.series(at, self.verbal, AND_OR_BUT, OR):
            yield joined(items, word), end

    @rule
    def verbal(self, at: int) -> Iterator[Found[Predicate]]:
        for start in self.after(IS, at):
            yield from self.predicated(start)
        for start in self.after(STANDS, at):
            yield from self.where(start)
        for start in self.after(HAS, at):
            yield from self._had(start)
        for start in self.after(SHARES, at):
            yield from self._shared(start)
        for table, how in ((MATCHES, "same"), (DIFFERS, "different")):
            for start in self.after(table, at):
                yield from self._matched(start, how)
        for start in self.after(DOES, at):
            for middle in self.after(NOT, start):
                yield from ((Not(found), end) for found, end in self._plain(middle))

    def _plain(self, at: int) -> Iterator[Found[Predicate]]:
        """What can follow "does not"."""
        for start in self.after(HAS, at):
            yield from self._had(start)
        for start in self.after(SHARES, at):
            yield from self._shared(start)
        for start in self.after(STANDS, at):
            yield from self.where(start)

    @rule
    def predicated(self, at: int) -> Iterator[Found[Predicate]]:
        """What follows "is"."""
        yield from self._affirmed(at)
        for start in self.after(BOTH_OR_ALL, at):
            yield from self._affirmed(start)
        for start in self.after(NOT, at):
            yield from ((Not(found), end) for found, end in self._affirmed(start))
            if self._ends(start):
                yield Not(Said()), start
        if self._ends(at):
            yield Said(), at
        for start in self.after(NEITHER, at):
            for (items, _), end in self.series(start, self._affirmed, NOR, NOR):
                if len(items) > 1:
                    yield Both(tuple(Not(item) for item in items)), end
        for start in self.after(EITHER, at):
            yield from ((found, end) for found, end in self._affirmed(start) if isinstance(found, Either))

    def not_all(self, at: int) -> Iterator[Found[Predicate]]:
        """ "(the cubes) are not all red"."""
        for start in self.after(IS, at):
            for middle in self.after(NOT, start):
                for end in self.after(BOTH_OR_ALL, middle):
                    yield from self._affirmed(end)

    @rule
    def _affirmed(self, at: int) -> Iterator[Found[Predicate]]:
        for (items, word), end in self.series(at, self.complement, AND_OR_BUT, OR):
            if word == "or" or compatible(items):
                yield joined(items, word), end
        for found, end in self._noun(at):
            yield found, end
            for start in self.after(AND_OR_BUT, end):  # "is a sphere and metallic"
                yield from ((Both((found, more)), stop) for more, stop in self.complement(start))
        yield from ((Anything(), end) for end in self.after(THERE, at))

    @rule
    def complement(self, at: int) -> Iterator[Found[Predicate]]:
        for found, end in self.adjective(at):
            yield found, end
            yield from ((Both((found, look)), stop) for look, stop in self.look(end))  # "red with a matte finish"
        yield from self.where(at)
        yield from self.look(at)
        yield from self.likeness(at)
        for start in self.maybe(THE, at):
            for table in (OUTERMOST, OUTERMOST_AFTER):
                yield from ((Nominal(rank=Outermost(side)), end) for side, end in self.match(table, start))
            yield from ((Nominal(rank=Sized(value)), end) for value, end in self.match(SIZED, start))
        yield from ((LikeBefore(how), end) for how, end in self.match(COMPARATIVES, at))

    def _noun(self, at: int) -> Iterator[Found[Predicate]]:
        """ "a red cube", "the largest object", "cubes", "one of the spheres"."""
        for phrase, end in self.noun_phrases(at):
            found = predicate_noun(phrase)
            if found is not None:
                yield found, end

    def _ends(self, at: int) -> bool:
        return self.word(at) in ("", ",", ".", "and")

    def _had(self, at: int) -> Iterator[Found[Predicate]]:
        yield from self.holding(at)
        yield from self.likeness(at)
        yield from self.looks(at)
        for start in self.after(THE, at):
            for end in self.after(LOOKS, start):
                yield from self.described(end)

    def _shared(self, at: int) -> Iterator[Found[Predicate]]:
        """ "shares its colour with the cube", "shares the same size with the sphere"."""
        for start in (*self.after(ITS, at), *self.after(SAME, at), *self.after(THE, at), *self.after(A, at)):
            for names, end in self.attributes(start):
                for middle in self.after(WITH, end):
                    yield from ((Like(names, "same", whom), stop) for whom, stop in self.noun_phrases(middle))
                yield from ((found, stop) for found, stop in self.described(end) if about(found, names[0]))

    def _matched(self, at: int, how: str) -> Iterator[Found[Predicate]]:
        """ "matches the cube in colour"."""
        for whom, end in self.noun_phrases(at):
            for start in self.after(IN, end):
                yield from ((Like(names, how, whom), stop) for names, stop in self.attributes(start))


def predicate_noun(phrase: NounPhrase) -> Predicate | None:
    """What a noun phrase after "is" says of the subject; None for one that nobody is."""
    if isinstance(phrase, The | Others):
        return Member(phrase)
    if isinstance(phrase, Quantified):
        if phrase.quantity in (BARE_PLURAL, BARE, at_least(1)):
            return phrase.what
        if phrase.quantity == NO:
            return Not(phrase.what)
        single = phrase.quantity.name in ("whole", "part") and 1 in (phrase.quantity.of, phrase.quantity.high)
        return Member(phrase) if single and isinstance(phrase.what, Nominal) else None
    if isinstance(phrase, Group):
        parts = [predicate_noun(part) for part in phrase.parts]
        found = tuple(part for part in parts if part is not None)
        return Either(found) if phrase.word == "or" and len(found) == len(parts) else None
    return None
