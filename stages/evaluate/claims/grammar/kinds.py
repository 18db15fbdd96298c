"""Reads how many values of an attribute there are: "three colours", "all shapes", "one object of each size"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from stages.core.clevr.scene_json import WORDS
from stages.evaluate.claims.grammar.features import about
from stages.evaluate.claims.grammar.likening import Likening
from stages.evaluate.claims.grammar.reader import Found, rule
from stages.evaluate.claims.lexicon.verbs import (
    AND,
    DISTINCT,
    EXISTS,
    IN_DIFFERENT,
    IN_KINDS,
    IS,
    KINDS,
    OF_EACH,
    OR,
    THERE,
)
from stages.evaluate.claims.lexicon.words import ALL_KINDS, ATTRIBUTE_NOUNS, THE, THE_ONLY
from stages.evaluate.claims.meaning.logic import Both, Predicate, Statement
from stages.evaluate.claims.meaning.phrases import Quantified
from stages.evaluate.claims.meaning.predicates import Is, Nominal
from stages.evaluate.claims.meaning.quantity import Quantity, at_least, exactly
from stages.evaluate.claims.meaning.sharing import Share
from stages.evaluate.claims.meaning.statements import Kinds, Says, Text


class KindsOf(Likening):
    def only_values(self, at: int) -> Iterator[Found[Statement]]:
        """ "the only colours are red and blue"."""
        for start in self.after(THE_ONLY, at):
            for name, middle in self.match(ATTRIBUTE_NOUNS, start):
                for end in self.after(IS, middle):
                    for (values, _), stop in self.series(end, self._named, AND, OR):
                        if all(about(value, name) for value in values):
                            each = [Says(Quantified(at_least(1), value)) for value in values]
                            yield Text((Kinds(exactly(len(values)), name), *each)), stop

    @rule
    def _named(self, at: int) -> Iterator[Found[Predicate]]:
        """A value: "red", "cubes"."""
        yield from self.adjective(at)
        for what, end in self.nominal(at):
            if what == Nominal(head=what.head, plural=what.plural) and isinstance(what.head, Is):
                yield what.head, end

    def kinds(self, at: int) -> Iterator[Found[Statement]]:
        """ "three different colours", "all three shapes", "only one kind of material"."""
        for quantity, start in self.quantity(at):
            if quantity.name == "count":
                yield from ((Kinds(quantity, name), end) for name, end in self._kind(start))
        for start in self.after(THE, at):  # "the colours red and blue"
            for name, middle in self.match(ATTRIBUTE_NOUNS, start):
                for (values, _), end in self.series(middle, self._named, AND, OR):
                    if len(values) > 1 and all(about(value, name) for value in values):
                        yield Text(tuple(Says(Quantified(at_least(1), value)) for value in values)), end
        for number, start in self.match(ALL_KINDS, at):
            for attribute, end in self.match(ATTRIBUTE_NOUNS, start):
                total = len(WORDS[attribute])
                if number in (0, total):
                    yield Kinds(exactly(total), attribute), end

    def _kind(self, at: int) -> Iterator[Found[str]]:
        for start in self.maybe(DISTINCT, at):
            for middle in self.maybe(KINDS, start):
                yield from self.match(ATTRIBUTE_NOUNS, middle)

    def in_kinds(self, subject: Quantified, at: int) -> Iterator[Found[Statement]]:
        """ "(the cubes) come in two colours", "(three objects) of three colours"."""
        for start in self.after(IN_KINDS, at):
            for (low, high), middle in self.bounds(start):
                for name, end in self._kind(middle):
                    kinds = Kinds(Quantity("count", low, high), name, subject.what)
                    if subject.quantity.name in ("bare plural", "the", "all"):
                        yield kinds, end
                    elif subject.quantity.name == "count":
                        yield Text((Says(subject), kinds)), end

    def differing(self, subject: Quantified, at: int) -> Iterator[Found[Statement]]:
        """ "(several spheres) in different colours"."""
        for start in self.after(IN_DIFFERENT, at):
            for names, end in self.attributes(start):
                different = Share(replace(subject, quantity=Quantity("all")), names, "different")
                yield Text((Says(subject), different)), end

    def whole_kinds(self, at: int) -> Iterator[Found[Statement]]:
        """ "All three shapes are present"."""
        for statement, end in self.kinds(at):
            yield statement, end
            yield from ((statement, stop) for stop in self.after(EXISTS, end))
            for start in self.after(IS, end):
                yield from ((statement, stop) for stop in self.after(THERE, start))

    def of_each(self, at: int) -> Iterator[Found[Statement]]:
        """ "at least one object of each shape", "one of every size"."""
        for quantity, start in self.quantity(at):
            for what, end in ((Nominal(), start), *self.nominal(start)):
                for middle in self.after(OF_EACH, end):
                    for name, stop in self.match(ATTRIBUTE_NOUNS, middle):
                        if quantity.name == "count":
                            each = [Both((what, Is(name, value))) for value in WORDS[name]]
                            yield Text(tuple(Says(Quantified(quantity, kind)) for kind in each)), stop
