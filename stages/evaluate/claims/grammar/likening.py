"""Reads what is said of several things together: "are the same colour", "share a size", "two identical cubes"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from stages.evaluate.claims.grammar.predicates import Predicates
from stages.evaluate.claims.grammar.reader import Found, rule
from stages.evaluate.claims.lexicon.verbs import (
    AND_OR_BUT,
    BOTH_OR_ALL,
    DIFFERENT,
    DIFFERS_IN,
    DOES,
    HAS,
    IDENTICAL,
    IN,
    IS,
    MADE_OF,
    MATCHES,
    NOT,
    OF,
    OR,
    SAME,
    SHARES,
)
from stages.evaluate.claims.lexicon.words import THE, A
from stages.evaluate.claims.meaning.logic import NounPhrase, Statement
from stages.evaluate.claims.meaning.phrases import Quantified, Them
from stages.evaluate.claims.meaning.predicates import ATTRIBUTES
from stages.evaluate.claims.meaning.quantity import Quantity
from stages.evaluate.claims.meaning.sharing import Share
from stages.evaluate.claims.meaning.statements import Denied, Says, Text


@dataclass(frozen=True)
class Alike:
    """What is said of several: that they are the same, or different, in these attributes; or that they are not."""

    attributes: tuple[str, ...]
    how: str
    denied: bool = False

    def of(self, subject: NounPhrase) -> Statement:
        if self.how == "different" and isinstance(subject, Quantified) and subject.quantity.name == "count":
            found = Share(replace(subject, quantity=Quantity("all")), self.attributes, self.how)
            return Denied(found) if self.denied else Text((Says(subject), found))
        strictly = isinstance(subject, Quantified | Them) and subject.quantity.name == "each"
        statement = Share(subject, self.attributes, self.how, strictly)
        return Denied(statement) if self.denied else statement


@dataclass(frozen=True)
class Likenesses:
    """All that is said so of the same objects."""

    parts: tuple[Alike, ...]

    def denied(self) -> Likenesses:
        return Likenesses(tuple(replace(part, denied=True) for part in self.parts))

    def of(self, subject: NounPhrase) -> Statement:
        found = tuple(part.of(subject) for part in self.parts)
        return found[0] if len(found) == 1 else Text(found)


class Likening(Predicates):
    def identical(self, at: int) -> Iterator[Found[Statement]]:
        """ "two identical red cubes"."""
        for quantity, start in self.quantity(at):
            for middle in self.after(IDENTICAL, start):
                for what, end in self.nominal(middle):
                    yield Share(Quantified(quantity, what), ATTRIBUTES, "same"), end

    @rule
    def alike(self, at: int) -> Iterator[Found[Likenesses]]:
        """ "are the same colour", "do not share a size", "differ in shape but are one size"."""
        for (items, word), end in self.series(at, self._likenesses, AND_OR_BUT, OR):
            if word != "or":
                yield Likenesses(tuple(each for item in items for each in item.parts)), end

    @rule
    def _likenesses(self, at: int) -> Iterator[Found[Likenesses]]:
        yield from self._of_verb(at)
        for start in self.after(IS, at):
            for middle in self.maybe(BOTH_OR_ALL, start):
                yield from self._same(middle)
        for start in self.after(DOES, at):
            for middle in self.after(NOT, start):
                yield from ((found.denied(), end) for found, end in self._of_verb(middle))

    def _of_verb(self, at: int) -> Iterator[Found[Likenesses]]:
        for start in self.maybe(BOTH_OR_ALL, at):
            for middle in (*self.after(HAS, start), *self.after(OF, start), *self.after(SHARES, start)):
                yield from self._same(middle)
            if self.word(at - 1) == "with":
                yield from self._same(start)
            for middle in self.after(SHARES, start):
                for end in (*self.after(A, middle), *self.after(THE, middle)):
                    yield from ((Likenesses((Alike(names, "same"),)), stop) for names, stop in self.attributes(end))
            for table, how in ((MATCHES, "same"), (DIFFERS_IN, "different")):
                for middle in self.after(table, start):
                    for end in self.maybe(IN, middle):
                        for names, stop in self.attributes(end):
                            yield Likenesses((Alike(names, how),)), stop
                            for others, last in self._but_not(stop):
                                yield Likenesses((Alike(names, how), Alike(others, how, denied=True))), last

    def _but_not(self, at: int) -> Iterator[Found[tuple[str, ...]]]:
        """ "(differ in size) but not in shape"."""
        for start in self.after(AND_OR_BUT, self.past_comma(at)):
            for middle in self.after(NOT, start):
                for end in self.maybe(IN, middle):
                    yield from self.attributes(end)

    def _same(self, at: int) -> Iterator[Found[Likenesses]]:
        """ "the same size", "the same size but not the same colour"."""
        for (items, word), end in self.series(at, self._same_or_not, AND_OR_BUT, OR):
            if word != "or":
                yield Likenesses(items), end

    @rule
    def _same_or_not(self, at: int) -> Iterator[Found[Alike]]:
        yield from self._alike_in(at)
        for start in self.after(NOT, at):
            yield from ((replace(found, denied=True), end) for found, end in self._alike_in(start))

    def _alike_in(self, at: int) -> Iterator[Found[Alike]]:
        for start in self.maybe(MADE_OF, at):
            for table, how in ((SAME, "same"), (DIFFERENT, "different")):
                for middle in self.after(table, start):
                    yield from ((Alike(names, how), end) for names, end in self.attributes(middle))
                    for last in self.after(IN, middle):
                        yield from ((Alike(names, how), end) for names, end in self.attributes(last))
        for end in self.after(IDENTICAL, at):
            if self.words[at] != "the":
                yield Alike(ATTRIBUTES, "same"), end
            for start in self.after(IN, end):
                yield from ((Alike(names, "same"), stop) for names, stop in self.attributes(start))


def of_all(subject: NounPhrase) -> NounPhrase:
    """ "Cubes share a colour" is of all cubes."""
    if isinstance(subject, Quantified) and subject.quantity.name == "bare plural":
        return replace(subject, quantity=Quantity("all"))
    return subject
