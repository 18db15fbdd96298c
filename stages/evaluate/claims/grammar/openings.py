"""Reads how sentences say that something is there: "there are", "I do not see", "my picture shows", or just a list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from stages.evaluate.claims.grammar.composing import agrees, only, parts_of
from stages.evaluate.claims.grammar.counts import Counts
from stages.evaluate.claims.grammar.reader import Found, rule
from stages.evaluate.claims.lexicon.verbs import (
    A_SCENE_WITH,
    CONSISTS,
    DOES,
    LACKS,
    NOT,
    ONLY_ADVERB,
    PICTURES,
    SEE,
    SHOWS,
    SPEAKERS,
    THERE,
    THERE_IS,
)
from stages.evaluate.claims.meaning.logic import Anything, NounPhrase, Predicate, Statement
from stages.evaluate.claims.meaning.phrases import Excepting, Group, Neither, Only, Others, Quantified, The
from stages.evaluate.claims.meaning.predicates import Nominal
from stages.evaluate.claims.meaning.quantity import BARE, ENDLESS, NO
from stages.evaluate.claims.meaning.statements import Complete, Denied, Says, Text

_EXIST = ("count", "another", "bare", "plural", "bare plural", "many", "any", "odd", "even")


@dataclass(frozen=True)
class Opening:
    """How a sentence says that something is there: "I see", "there is no", "my picture consists of"."""

    denied: bool = False
    complete: bool = False
    only: bool = False


class Openings(Counts):
    @rule
    def openings(self, at: int) -> Iterator[Found[Opening]]:
        for start in () if self.word(at) in ("it", "this") and at > 0 else self.after(THERE_IS, at):
            yield from ((Opening(), end) for end in self.maybe(A_SCENE_WITH, start))
            yield from ((Opening(denied=True), end) for end in self.after(NOT, start))
            yield from ((Opening(), end) for end in self.after(THERE, start))
        for who, does in ((SPEAKERS, SEE), (PICTURES, SHOWS)):
            for start in self.after(who, at):
                for end in self.after(does, start):
                    yield from ((Opening(), stop) for stop in self.maybe(A_SCENE_WITH, end))
                for middle in self.after(ONLY_ADVERB, start):
                    yield from ((Opening(only=True), end) for end in self.after(does, middle))
                for middle in self.after(DOES, start):
                    for verb in self.after(NOT, middle):
                        yield from ((Opening(denied=True), end) for end in self.after(does, verb))
        for start in self.after(A_SCENE_WITH, at):
            yield Opening(), start
        for start in self.after(PICTURES, at):
            yield from ((Opening(denied=True), end) for end in self.after(LACKS, start))
            yield from ((Opening(complete=True), end) for end in self.after(CONSISTS, start))
            if self.word(start) == ":":
                yield Opening(), start + 1

    def existing(self, opening: Opening, at: int) -> Iterator[Found[Statement]]:
        for statement, end in self.counted(at):
            yield Denied(statement) if opening.denied else statement, end
        for phrase, end in self.noun_phrases(at):
            if not can_exist(phrase, opening.denied):
                continue
            for scope, stop in self._scope(phrase, end):
                yield from ((statement, stop) for statement in _exists(opening, phrase, scope))

    def _scope(self, phrase: NounPhrase, at: int) -> Iterator[Found[Predicate]]:
        """What follows a list may be meant of all of it."""
        yield Anything(), at
        if isinstance(phrase, Group | Only) and not any(_placed(part) for part in parts_of(phrase)):
            singular = isinstance(phrase, Group) and phrase.word != "or" and self.word(self.past_comma(at) + 1) == "is"
            if not singular:  # "a cube and a sphere that is red": the sphere
                yield from ((scope, end) for scope, end in self.trailer(at) if agrees(scope, phrase))

    def fragment(self, at: int) -> Iterator[Found[Statement]]:
        yield from self.counted(at)
        for phrase, end in self.noun_phrases(at):
            if can_exist(phrase, False):
                for scope, stop in self._scope(phrase, end):
                    yield from ((statement, stop) for statement in _exists(Opening(), phrase, scope))
            if isinstance(phrase, Quantified) and isinstance(phrase.what, Nominal) and not phrase.what.before:
                yield from ((Says(phrase, adjectives), stop) for adjectives, stop in self.described(end))  # "cube red"
        for what, end in self.elliptic(at):
            if not what.before:
                continue
            yield Says(Quantified(BARE, replace(what, head=Anything()))), end
        yield from ((Says(phrase), end) for phrase, end in self.headless(at) if isinstance(phrase, Quantified))


def _placed(phrase: NounPhrase) -> bool:
    """Whether something follows its own noun, so that what follows the list is of the last alone."""
    what = getattr(phrase, "what", None)
    return isinstance(what, Nominal) and bool(what.after)


def can_exist(phrase: NounPhrase, denied: bool) -> bool:
    """Whether "there is" can stand before it, or "there is not"."""
    if isinstance(phrase, Group):
        return all(can_exist(part, denied) for part in phrase.parts)
    if isinstance(phrase, Neither):
        return not denied and all(can_exist(part, True) for part in phrase.parts)
    if isinstance(phrase, Excepting):
        return not denied and phrase.part.quantity.high == 0
    if isinstance(phrase, Only):
        return not denied and can_exist(phrase.part, denied)
    if isinstance(phrase, The):
        return not denied
    if isinstance(phrase, Others) and phrase.quantity == NO and phrase.what == Nominal():
        return False  # "nothing else" is a claim of its own
    if isinstance(phrase, Quantified | Others):
        name = phrase.quantity.name
        return name in _EXIST or (not denied and (name == "whole" or name == "the"))
    return False


def _exists(opening: Opening, phrase: NounPhrase, scope: Predicate) -> Iterator[Statement]:
    counts = [part.quantity for part in parts_of(phrase) if isinstance(part, Quantified)]
    counted = any(quantity.name == "count" and quantity.high < ENDLESS for quantity in counts)
    said = Says(only(phrase) if opening.only and not counted else phrase, scope)
    if opening.only and counted and isinstance(phrase, Group):
        yield Says(only(phrase), scope)
    if opening.complete:
        yield Text((said, Complete(phrase.parts if isinstance(phrase, Group) else (phrase,), firmly=False)))
    elif not opening.denied:
        yield said
    else:
        yield Denied(said)
        if isinstance(phrase, Group) and phrase.word == "and":
            yield Text(tuple(Denied(Says(part, scope)) for part in phrase.parts))
