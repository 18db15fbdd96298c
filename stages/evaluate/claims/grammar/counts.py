"""Reads comparisons of counts: "more cubes than spheres", "the number of cubes is three"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from stages.core.clevr.scene_json import WORDS
from stages.evaluate.claims.grammar.kinds import KindsOf
from stages.evaluate.claims.grammar.likening import of_all
from stages.evaluate.claims.grammar.reader import Found, rule
from stages.evaluate.claims.lexicon.verbs import (
    AND,
    ANY_OTHER,
    AS_MANY,
    COMBINED,
    COMMON,
    EQUAL_NUMBER,
    IS,
    MORE,
    NUMBER_OF,
    OUTNUMBER,
    RELATES,
    THAN,
    THAT,
    WITH,
)
from stages.evaluate.claims.lexicon.words import ATTRIBUTE_NOUNS, THE, A
from stages.evaluate.claims.meaning.logic import Both, Either, Statement
from stages.evaluate.claims.meaning.phrases import Group, Quantified, Them
from stages.evaluate.claims.meaning.predicates import ATTRIBUTES, Is, Nominal
from stages.evaluate.claims.meaning.quantity import Quantity
from stages.evaluate.claims.meaning.statements import Commonest, Compared, Says, Text


class Counts(KindsOf):
    @rule
    def counted(self, at: int) -> Iterator[Found[Statement]]:
        """What can follow "there are", besides noun phrases; some of it stands alone too."""
        yield from self._more(at)
        yield from self._as_many(at)
        yield from self.kinds(at)
        yield from self.of_each(at)
        yield from self.identical(at)
        for subject, end in self.noun_phrases(at):
            for start in (end, *self.after(THAT, end), *self.after(WITH, end)):
                yield from ((alike.of(subject), stop) for alike, stop in self.alike(start))
            if isinstance(subject, Quantified):
                yield from self.in_kinds(subject, end)
                yield from self.differing(subject, end)

    @rule
    def compared(self, at: int) -> Iterator[Found[Statement]]:
        """Comparisons that can go on after "and": "and just as many spheres as cubes"."""
        yield from self._more(at)
        yield from self._as_many(at)

    @rule
    def weighed(self, at: int) -> Iterator[Found[Statement]]:
        """Whole sentences that compare."""
        yield from self._more_are(at)
        yield from self._number(at)
        yield from self._outnumbered(at)
        yield from self._commonest(at)
        yield from self.only_values(at)
        for subject, end in self.noun_phrases(at):
            if isinstance(subject, Quantified | Them | Group):
                yield from ((alike.of(of_all(subject)), stop) for alike, stop in self.alike(end))
            if isinstance(subject, Quantified):
                yield from self.in_kinds(subject, end)

    def _more(self, at: int) -> Iterator[Found[Statement]]:
        """ "more cubes than spheres", "two more cubes than spheres", "more cubes than any other shape"."""
        for how, start in self.match(MORE, at):
            yield from self._than(how, 0, start)
        for (low, high), end in self.bounds(at):
            if low == high:
                for how, start in self.match(MORE, end):
                    yield from self._than(f"{how} by", low, start)

    def _than(self, how: str, number: int, at: int) -> Iterator[Found[Statement]]:
        for one, end in (*self.nominal(at), *self.elliptic(at)):
            for start in self.after(THAN, end):
                for other, stop in self._second(start):
                    yield from ((Compared(*pair, how, number), stop) for pair in _pairs(one, other))
                for middle in self.after(ANY_OTHER, start):
                    for attribute, stop in self.match(ATTRIBUTE_NOUNS, middle):
                        found = _than_any(one, attribute, how)
                        if found is not None:
                            yield found, stop

    def _more_are(self, at: int) -> Iterator[Found[Statement]]:
        """ "more objects are rubber than metal"."""
        for how, start in self.match(MORE, at):
            for what, end in self.nominal(start):
                for middle in self.after(IS, end):
                    for one, last in self.described(middle):
                        for begin in self.after(THAN, last):
                            for other, stop in self.described(begin):
                                yield Compared(Both((what, one)), Both((what, other)), how), stop

    def _second(self, at: int) -> Iterator[Found[Nominal]]:
        """The other side of a comparison; several kinds only with "combined"."""
        for start in self.maybe(THE, at):
            yield from self.nominal(start)
            yield from self.elliptic(start)
            for (items, word), end in self.nominals(start):
                if len(items) > 1 and word != "or":
                    yield from ((Nominal((Either(items),)), stop) for stop in self.after(COMBINED, end))

    def _as_many(self, at: int) -> Iterator[Found[Statement]]:
        for (how, number), start in self.match(AS_MANY, at):
            for one, end in (*self.nominal(start), *self.elliptic(start)):
                if self.word(end) == "as":
                    for other, stop in self._second(end + 1):
                        yield from ((Compared(*pair, how, number), stop) for pair in _pairs(one, other))
        for start in self.after(EQUAL_NUMBER, at):
            for one, end in (*self.nominal(start), *self.elliptic(start)):
                for middle in (*self.after(AND, end), *((end + 1,) if self.word(end) == "as" else ())):
                    for other, stop in self._second(middle):
                        yield from ((Compared(*pair, "equal"), stop) for pair in _pairs(one, other))

    def _number(self, at: int) -> Iterator[Found[Statement]]:
        """ "the number of cubes is three", "the number of cubes equals that of the spheres"."""
        for start in self.after(NUMBER_OF, at):
            for what, end in self._second(start):
                if what.head is None:
                    continue
                for middle in self.after(IS, end):
                    for (low, high), stop in self.bounds(middle):
                        yield Says(Quantified(Quantity("count", low, high), what)), stop
                for how, middle in self.match(RELATES, end):
                    for last in self.maybe(NUMBER_OF, middle):
                        yield from ((Compared(what, other, how), stop) for other, stop in self._second(last))

    def _outnumbered(self, at: int) -> Iterator[Found[Statement]]:
        for one, end in self._second(at):
            for how, start in self.match(OUTNUMBER, end):
                for other, stop in self._second(start):
                    yield from ((Compared(*pair, how), stop) for pair in _pairs(one, other))

    def _commonest(self, at: int) -> Iterator[Found[Statement]]:
        """ "the most common colour is red"."""
        for start in self.after(THE, at):
            for how, middle in self.match(COMMON, start):
                for attribute, end in self.match(ATTRIBUTE_NOUNS, middle):
                    for last in self.after(IS, end):
                        for value, stop in self._value(attribute, last):
                            yield Commonest(attribute, value, how), stop
        for attribute in ATTRIBUTES:
            for value, end in self._value(attribute, at):
                for start in self.after(IS, end):
                    for last in self.after(THE, start):
                        for how, middle in self.match(COMMON, last):
                            for name, stop in self.match(ATTRIBUTE_NOUNS, middle):
                                if name == attribute:
                                    yield Commonest(attribute, value, how), stop

    def _value(self, attribute: str, at: int) -> Iterator[Found[str]]:
        for start in (*self.maybe(A, at), *self.after(THE, at)):
            for what, end in (*self.nominal(start), *self.elliptic(start)):
                said = [*what.before, *([what.head] if isinstance(what.head, Is) else [])]
                if len(said) == 1 and isinstance(said[0], Is) and said[0].attribute == attribute and not what.after:
                    yield said[0].value, end


def _pairs(one: Nominal, other: Nominal) -> Iterator[tuple[Nominal, Nominal]]:
    """Both with a noun; what follows the second may be meant of both."""
    if one.head is None and other.head is None:
        return
    first, second = one.with_head(other), other.with_head(one)
    yield first, second
    if second.after and not first.after:
        yield replace(first, after=second.after), second


def _than_any(one: Nominal, attribute: str, how: str) -> Statement | None:
    said = [each for each in (*one.before, one.head) if isinstance(each, Is)]
    if len(said) != 1 or said[0].attribute != attribute or len(one.before) > 1 or one.after:
        return None
    others = [value for value in WORDS[attribute] if value != said[0].value]
    if how == "fewer":
        return None
    return Text(tuple(Compared(one, Nominal((Is(attribute, value),)), how) for value in others))
