"""Reads sentences about a subject: "the cube is red", "behind the cube is a sphere", "its colour is red"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from stages.evaluate.claims.grammar.composing import agrees, as_exception, parts_of
from stages.evaluate.claims.grammar.features import about
from stages.evaluate.claims.grammar.openings import Opening, Openings, can_exist
from stages.evaluate.claims.grammar.reader import Found, rule
from stages.evaluate.claims.lexicon.places import SIDE_OF_PICTURE
from stages.evaluate.claims.lexicon.verbs import EXISTS, IS, IS_ABSENT, ITS, LOOK_AT, OF, SAME_AS, SHOWS, SO_IS, STANDS
from stages.evaluate.claims.lexicon.words import ATTRIBUTE_NOUNS, EXCEPT, THE, THE_ONLY
from stages.evaluate.claims.meaning.logic import ANYTHING, Both, Not, NounPhrase, Predicate, Statement
from stages.evaluate.claims.meaning.phrases import Among, Excepting, Group, It, Only, Others, Quantified, The, Them
from stages.evaluate.claims.meaning.predicates import Beside, FarOn, InHalf, Leaning, Like, Nominal, Said
from stages.evaluate.claims.meaning.quantity import BARE, BARE_PLURAL, NO, UNIVERSAL, Quantity, at_least, exactly
from stages.evaluate.claims.meaning.statements import Denied, Kinds, Says, Text, Untold


class Sentences(Openings):
    @rule
    def sentence(self, at: int) -> Iterator[Found[Statement]]:
        yield from self._inverted(at)
        yield from self._attributed(at)
        yield from self._listed(at)
        yield from self.predication(at)
        for start in self.after(SO_IS, at):
            yield from ((Says(subject, Said()), end) for subject, end in self.noun_phrases(start))
        for side, start in self.match(SIDE_OF_PICTURE, at):
            for end in self.after(SHOWS, start):
                for phrase, stop in self.noun_phrases(end):
                    if can_exist(phrase, False):
                        yield Says(phrase, InHalf(side)), stop
        for start in self.after(LOOK_AT, at):
            for subject, end in self.noun_phrase(start):
                if isinstance(subject, The):
                    yield Says(subject), end
        for start in self.after(EXCEPT, at):
            for exception, end in self.exceptions(start):
                begin = self.past_comma(end)
                there = [found for opening, last in self.openings(begin) for found in self.existing(opening, last)]
                for statement, stop in (*self.predication(begin), *there):
                    excepted = _excepting(statement, exception)
                    if excepted is not None:
                        yield excepted, stop

    @rule
    def predication(self, at: int) -> Iterator[Found[Statement]]:
        for subject, end in self.noun_phrases(at):
            for predicate, stop in self.verb_phrase(end):
                if predicate == ANYTHING and _of_everything(subject):
                    continue  # "all three shapes are present" counts kinds
                if predicate == Not(ANYTHING):  # "a cube is not there"
                    if can_exist(subject, True):
                        yield Denied(Says(subject)), stop
                    continue
                if isinstance(predicate, Not) and _universal(subject):  # "all cubes are not red": none, or not all?
                    yield Denied(Says(subject, predicate.part)), stop
                for meant in _as_subject(subject, predicate):
                    yield Says(meant, predicate), stop
                    yield from self._excepted(meant, predicate, stop)
            if _universal(subject) or (isinstance(subject, Quantified) and subject.quantity.name == "the"):
                yield from ((Denied(Says(subject, said)), stop) for said, stop in self.not_all(end))
            for stop in self.after(EXISTS, end):
                yield Says(subject), stop
            if can_exist(subject, True):
                yield from ((Denied(Says(subject)), stop) for stop in self.after(IS_ABSENT, end))

    def _excepted(self, subject: NounPhrase, predicate: Predicate, at: int) -> Iterator[Found[Statement]]:
        if isinstance(subject, Quantified):
            for start in self.after(EXCEPT, self.past_comma(at)):
                for exception, end in self.exceptions(start):
                    yield Says(Excepting(subject, exception), predicate), end

    def exceptions(self, at: int) -> Iterator[Found[NounPhrase]]:
        for phrase, end in self.noun_phrases(at):
            meant = as_exception(phrase)
            if meant is not None:
                yield meant, end

    def _inverted(self, at: int) -> Iterator[Found[Statement]]:
        """ "Behind the cube is a sphere", "on the left, I see two cubes"."""
        for place, end in self.where(at):
            start = end + 1 if self.word(end) in (",", ":") else end
            begins = {*self.after(IS, end), *self.after(EXISTS, end), *self.after(STANDS, end)}
            begins |= {stop for opening, stop in self.openings(start) if opening == Opening()}
            if start > end or isinstance(place, InHalf | Leaning) or not (self.opens(at) or isinstance(place, FarOn)):
                begins.add(start)
            for begin in begins:
                for phrase, stop in self.noun_phrases(begin):
                    if can_exist(phrase, False) or isinstance(phrase, The | Others):
                        yield Says(phrase, place, inverted=True), stop

    def _listed(self, at: int) -> Iterator[Found[Statement]]:
        """ "The two red objects are a cube and a sphere", "cubes are the only large objects"."""
        for subject, end in self.noun_phrases(at):
            for start in self.after(IS, end):
                if isinstance(subject, Quantified) and subject.quantity.name in UNIVERSAL:
                    for parts, stop in self.noun_phrases(start):
                        number = _total(parts)
                        if number is not None and number > 1:
                            whole = Quantified(Quantity("whole", of=number), subject.what)
                            yield Text((Says(subject), Says(whole), Says(_within(parts, subject.what)))), stop
                for middle in self.after(THE_ONLY, start):
                    for what, stop in self.nominal(middle):
                        if what.plural:
                            yield from ((Says(Only(meant), what), stop) for meant in _as_subject(subject))

    def _attributed(self, at: int) -> Iterator[Found[Statement]]:
        """ "The colour of the cube is red", "its size is small"."""
        for start in self.after(THE, at):
            for name, middle in self.match(ATTRIBUTE_NOUNS, start):
                for end in self.after(OF, middle):
                    for subject, stop in self.noun_phrase(end):
                        yield from self._valued(subject, name, stop)
        for start in self.after(ITS, at):
            for name, end in self.match(ATTRIBUTE_NOUNS, start):
                yield from self._valued(It(), name, end)
        for subject, end in self.noun_phrase(at):
            if self.word(end) == "'s":
                for name, stop in self.match(ATTRIBUTE_NOUNS, end + 1):
                    yield from self._valued(subject, name, stop)

    def _valued(self, subject: NounPhrase, name: str, at: int) -> Iterator[Found[Statement]]:
        for start in self.after(IS, at):
            yield from ((Says(subject, found), end) for found, end in self.described(start) if about(found, name))
            for middle in self.after(SAME_AS, start):
                for whom, end in self.noun_phrase(middle):
                    yield Says(subject, Like((name,), "same", whom)), end

    def elaborated(self, said: Statement, at: int) -> Iterator[Found[Statement]]:
        """ "(two red objects): a cube and a sphere", "(three colours): red, blue and green"."""
        if self.word(at) not in (":", ","):
            return
        if isinstance(said, Says) and isinstance(said.subject, Quantified) and _several(said.subject.quantity):
            kind, quantity = Both((said.subject.what, said.predicate)), said.subject.quantity
            for parts, end in self.noun_phrases(at + 1):
                total = _total(parts)
                if total is not None and agrees(said.subject.what, parts) and (quantity != exactly(1) or total == 1):
                    # "Four objects: one cube and two spheres" misses one: it can be wrong, but not right.
                    missed = quantity.low == quantity.high != total
                    yield Text((said, Says(_within(parts, kind)), *([Untold()] if missed else []))), end
        if isinstance(said, Kinds):
            for (values, _), end in self.described_each(at + 1):
                if all(about(value, said.attribute) for value in values):
                    kinds = [Both((said.what, value)) for value in values]
                    yield Text((said, *(Says(Quantified(at_least(1), kind)) for kind in kinds))), end


def _excepting(said: Statement, exception: NounPhrase) -> Statement | None:
    """What was said of all, of none or of "only", without the exception."""
    if not isinstance(said, Says):
        return None
    subject = said.subject
    if isinstance(subject, Only) and isinstance(subject.part, Quantified) and said.predicate == ANYTHING:
        return Says(Excepting(Quantified(Quantity("each"), Nominal()), exception), subject.part.what)
    if isinstance(subject, Quantified) and (subject.quantity.name in UNIVERSAL or subject.quantity == NO):
        return replace(said, subject=Excepting(subject, exception))
    if isinstance(subject, Quantified) and subject.quantity.low > 0 and said.predicate == ANYTHING:
        rest = replace(subject, what=Both((subject.what, Not(Among(exception)))))
        return Text((Says(exception), Says(rest)))
    return None


def _universal(phrase: NounPhrase) -> bool:
    return isinstance(phrase, Quantified | Them) and phrase.quantity.name in ("all", "each", "whole")


def _of_everything(phrase: NounPhrase) -> bool:
    return isinstance(phrase, Quantified) and phrase.quantity.name in UNIVERSAL and phrase.what == Nominal(plural=True)


def _several(quantity: Quantity) -> bool:
    return quantity.low > 1 or quantity == exactly(1) or quantity.name in ("plural", "bare plural") or quantity.of > 1


def _as_subject(phrase: NounPhrase, predicate: Predicate = ANYTHING) -> Iterator[NounPhrase]:
    """ "Cube is red" is of the cube; "cubes are red" of all or some."""
    if isinstance(phrase, Quantified) and phrase.quantity == BARE:
        yield The(phrase.what)
    elif isinstance(phrase, Quantified) and phrase.quantity == BARE_PLURAL:
        yield replace(phrase, quantity=Quantity("all"))
        yield replace(phrase, quantity=Quantity("plural"))
    elif isinstance(phrase, Others) and isinstance(predicate, Beside | Like) and isinstance(predicate.whom, The):
        yield replace(phrase, besides=predicate.whom)
    elif isinstance(phrase, Group):
        yield replace(phrase, parts=tuple(next(_as_subject(part)) for part in phrase.parts))
    else:
        yield phrase


def _total(phrase: NounPhrase) -> int | None:
    """How many things a list names, if it says so."""
    number = 0
    for part in parts_of(phrase):
        if not isinstance(part, Quantified):
            return None
        exact = part.quantity.name == "count" and part.quantity.low == part.quantity.high
        if not exact and part.quantity not in (BARE, at_least(1)):
            return None
        number += part.quantity.low
    return number


def _within(phrase: NounPhrase, kind: Predicate) -> NounPhrase:
    """What a list names, of the objects of a kind alone."""
    parts = [part for part in parts_of(phrase) if isinstance(part, Quantified)]
    return Group(tuple(replace(part, what=Both((part.what, kind))) for part in parts), "and")
