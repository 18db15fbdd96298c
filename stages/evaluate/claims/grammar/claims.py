"""Reads whole texts: "There are two cubes, one of them red, and the sphere is small."."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stages.evaluate.claims.grammar.openings import Opening, can_exist
from stages.evaluate.claims.grammar.reader import Found, rule
from stages.evaluate.claims.grammar.sentences import Sentences
from stages.evaluate.claims.lexicon.places import ROWS
from stages.evaluate.claims.lexicon.verbs import (
    AMONG,
    DENIALS,
    EITHER,
    FRAGMENT_JOINTS,
    IS,
    JOINTS,
    NOTHING_ELSE,
    OR,
    WITHOUT,
)
from stages.evaluate.claims.lexicon.words import ANOTHER, OF_THEM, PARTLY, PRONOUNS, A
from stages.evaluate.claims.meaning.logic import NounPhrase, Predicate, Statement
from stages.evaluate.claims.meaning.phrases import Group, Others, Quantified, The, Them
from stages.evaluate.claims.meaning.quantity import Quantity, at_least
from stages.evaluate.claims.meaning.statements import Complete, Denied, InRow, OneOf, Says, Text, Untold

Part = tuple[Statement, str]  # a claim and its words
WHOLES = ("nothing", "everything", "anything", "all")


@dataclass(frozen=True)
class NothingElse(Untold):
    """Stands for `Complete` until all that was said to be there is known."""


@dataclass(frozen=True)
class Verbless(Says):
    """ "one red": only in a row of such, after a comma or "with"."""


class Claims(Sentences):
    def readings(self) -> list[Text]:
        """Every way to read all the words."""
        return list(dict.fromkeys(_whole(parts) for parts, _ in self.text(0)))

    @rule
    def text(self, at: int) -> Iterator[Found[tuple[Part, ...]]]:
        """Claims from here to the very end."""
        last = len(self.words)
        for first, end in self._with_more(at):
            part = first, " ".join(self.words[at:end])
            if end == last:
                yield (part,), end
            for start in self.joints(end):
                after_and = self.words[start - 1] == "and" and not isinstance(first, Verbless)
                for rest, _ in self.text(start):
                    if not (after_and and isinstance(rest[0][0], Verbless)):
                        yield (part, *rest), last

    def _with_more(self, at: int) -> Iterator[Found[Statement]]:
        for said, end in self.claim(at):
            yield said, end
            yield from self.elaborated(said, end)

    def joints(self, at: int) -> Iterator[int]:
        if self.word(at) == ".":
            yield from {at + 1, *self.after(JOINTS, at + 1)}
        elif self.word(at) == "of" and self.word(at + 1) == "which":
            yield at
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
        if self.opens(at) or self.word(at - 1) in FRAGMENT_JOINTS or self.word(at) == "only":
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
        for other, end in (*self.other(at), *self.noun_phrase(at)):
            if not self.opens(at) and isinstance(other, Others | The):
                yield from ((Verbless(other, predicate), stop) for predicate, stop in self._verbless(end))

    def _there_among(self, at: int, whole: Quantified) -> Iterator[Found[Statement]]:
        """ "(among the five objects) there is one cube"."""
        begins = [start for opening, start in self.openings(at) if opening == Opening()]
        for start in (*begins, *self.after(IS, at)):
            for phrase, end in self.noun_phrases(start):
                if isinstance(phrase, Quantified) and can_exist(phrase, False):
                    yield Says(phrase, whole.what), end

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
            partly = quantity.name in PARTLY
            yield from ((Them(quantity, partly), end) for end in self.maybe(OF_THEM, start))

    def _of_them(self, at: int) -> Iterator[Found[Statement]]:
        """ "Of the three cubes, two are red", "of these, one is small"."""
        for start in self.after(AMONG, at):
            for whole, end in self.noun_phrase(start):
                if isinstance(whole, Quantified):
                    begin = self.past_comma(end)
                    for statement, stop in (*self._among_them(begin), *self._there_among(begin, whole)):
                        yield Text((Says(whole), statement)), stop
        for start in self.after(OF_THEM, at):
            yield from self._among_them(self.past_comma(start))


def _whole(parts: tuple[Part, ...]) -> Text:
    """The claims as one text, in which "nothing else" is than all that was said to be there."""
    flat: list[Part] = []
    there: list[NounPhrase] = []
    for claim, words in parts:
        for said in claim.parts if isinstance(claim, Text) else (claim,):
            if isinstance(said, Says):
                there += said.subject.parts if isinstance(said.subject, Group) else [said.subject]
            flat.append((Complete(tuple(there)) if isinstance(said, NothingElse) and there else said, words))
    return Text(tuple(said for said, _ in flat), tuple(words for _, words in flat))
