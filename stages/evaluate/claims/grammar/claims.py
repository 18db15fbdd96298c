"""Reads whole texts: "There are two cubes, one of them red, and the sphere is small."."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stages.evaluate.claims.grammar.openings import Opening
from stages.evaluate.claims.grammar.reader import Found, rule
from stages.evaluate.claims.grammar.sentences import Sentences
from stages.evaluate.claims.lexicon.places import ROWS
from stages.evaluate.claims.lexicon.verbs import DENIALS, EITHER, FRAGMENT_JOINTS, JOINTS, NOTHING_ELSE, OF, OR, WITHOUT
from stages.evaluate.claims.lexicon.words import ANOTHER, OF_THEM, PRONOUNS, A
from stages.evaluate.claims.meaning.logic import NounPhrase, Predicate, Statement, Truth, View
from stages.evaluate.claims.meaning.phrases import Group, Quantified, Them
from stages.evaluate.claims.meaning.quantity import Quantity, at_least
from stages.evaluate.claims.meaning.statements import Complete, Denied, InRow, OneOf, Says, Text

WHOLES = ("nothing", "everything", "anything", "all")


@dataclass(frozen=True)
class NothingElse(Statement):
    """Stands for `Complete` until all that was said to be there is known."""

    def holds(self, view: View) -> Truth:
        return None


@dataclass(frozen=True)
class Verbless(Says):
    """ "one red": only in a row of such, after a comma or "with"."""


class Claims(Sentences):
    def readings(self) -> list[Statement]:
        """Every way to read all the words."""
        return list(dict.fromkeys(_whole(parts) for parts, _ in self.text(0)))

    @rule
    def text(self, at: int) -> Iterator[Found[tuple[Statement, ...]]]:
        """Claims from here to the very end."""
        last = len(self.words)
        for first, end in self._with_more(at):
            if end == last:
                yield (first,), end
            for start in self.joints(end):
                after_and = self.words[start - 1] == "and" and not isinstance(first, Verbless)
                for rest, _ in self.text(start):
                    if not (after_and and isinstance(rest[0], Verbless)):
                        yield (first, *rest), last

    def _with_more(self, at: int) -> Iterator[Found[Statement]]:
        for said, end in self.claim(at):
            yield said, end
            yield from self.elaborated(said, end)

    def joints(self, at: int) -> Iterator[int]:
        if self.word(at) == ".":
            yield from {at + 1, *self.after(JOINTS, at + 1)}
        elif self.word(at) == ":":
            yield at + 1
        elif not (self.word(at) == "but" and self.word(at - 1) in WHOLES):  # "nothing but cubes"
            start = self.past_comma(at)
            yield from {*self.after(JOINTS, start), *((start,) if start > at else ())}

    @rule
    def claim(self, at: int) -> Iterator[Found[Statement]]:
        for start in self.after(DENIALS, at):
            yield from ((Denied(part), end) for part, end in self.claim(start))
        for opening, start in self.openings(at):
            yield from self.existing(opening, start)
        for start in self.after(WITHOUT, at):
            yield from self.existing(Opening(denied=True), start)
        for start in self.after(EITHER, at):
            for one, end in self.claim(start):
                for middle in self.after(OR, self.past_comma(end)):
                    yield from ((OneOf((one, other)), stop) for other, stop in self.claim(middle))
        yield from self._row(at)
        yield from self.compared(at)
        yield from self.sentence(at)
        yield from self._among_them(at)
        yield from self._of_them(at)
        yield from self.weighed(at)
        yield from self.whole_kinds(at)
        if self.opens(at) or self.word(at - 1) in FRAGMENT_JOINTS:
            yield from self.fragment(at)
        yield from ((NothingElse(), end) for end in self.after(NOTHING_ELSE, at))

    def _row(self, at: int) -> Iterator[Found[Statement]]:
        """ "From left to right: a cube, a sphere and a cylinder"."""
        for side, end in self.match(ROWS, at):
            start = end + 1 if self.word(end) in (",", ":") else end
            for begin in (start, *(stop for opening, stop in self.openings(start) if opening == Opening())):
                for phrase, stop in self.noun_phrases(begin):
                    if isinstance(phrase, Group) and phrase.word != "or" and all(part.single for part in phrase.parts):
                        yield InRow(side, phrase.parts), stop

    def _among_them(self, at: int) -> Iterator[Found[Statement]]:
        """ "(two cubes,) one of them red", "one is red", "both metallic"."""
        for subject, end in self._them(at):
            yield from ((Says(subject, predicate), stop) for predicate, stop in self.verb_phrase(end))
            if self.opens(at):
                continue
            if subject.partly and self.word(end - 1) not in ("them", "these", "those", "which"):
                yield from ((Verbless(subject, predicate), stop) for predicate, stop in self._verbless(end))
            else:
                yield from ((Says(subject, predicate), stop) for predicate, stop in self.predicated(end))

        for other, end in self.other(at):
            if not self.opens(at):
                yield from ((Verbless(other, predicate), stop) for predicate, stop in self._verbless(end))

    def _verbless(self, at: int) -> Iterator[Found[Predicate]]:
        yield from self.described(at)
        yield from self.where(at)
        for start in self.after(A, at):
            yield from self.nominal(start)

    def _them(self, at: int) -> Iterator[Found[Them]]:
        for (low, high), start in self.bounds(at):
            yield from ((Them(Quantity("count", low, high), partly=True), end) for end in self.maybe(OF_THEM, start))
        for start in self.after(ANOTHER, at):
            yield from ((Them(at_least(1), partly=True), end) for end in self.maybe(OF_THEM, start))
        for quantity, start in self.match(PRONOUNS, at):
            yield from ((Them(quantity), end) for end in self.maybe(OF_THEM, start))

    def _of_them(self, at: int) -> Iterator[Found[Statement]]:
        """ "Of the three cubes, two are red", "of these, one is small"."""
        for start in self.after(OF, at):
            for whole, end in self.noun_phrase(start):
                if isinstance(whole, Quantified):
                    for statement, stop in self._among_them(self.past_comma(end)):
                        yield Text((Says(whole), statement)), stop
        for start in self.after(OF_THEM, at):
            yield from self._among_them(self.past_comma(start))


def _whole(parts: tuple[Statement, ...]) -> Statement:
    """The claims as one text, in which "nothing else" is than all that was said to be there."""
    flat: list[Statement] = []
    there: list[NounPhrase] = []
    for part in (one for claim in parts for one in (claim.parts if isinstance(claim, Text) else (claim,))):
        if isinstance(part, Says):
            there += part.subject.parts if isinstance(part.subject, Group) else [part.subject]
        flat.append(Complete(tuple(there)) if isinstance(part, NothingElse) and there else part)
    return flat[0] if len(flat) == 1 else Text(tuple(flat))
