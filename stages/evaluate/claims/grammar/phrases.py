"""Reads noun phrases and lists of them: "two red cubes and the sphere", "everything else", "it"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from stages.evaluate.claims.grammar.composing import (
    are_two,
    as_exception,
    filled,
    groups,
    only,
    quantified,
    the,
)
from stages.evaluate.claims.grammar.nominals import Nominals, is_pronoun
from stages.evaluate.claims.grammar.reader import Found, rule
from stages.evaluate.claims.lexicon.verbs import AND, BOTH, EITHER, NEITHER, NOR, OR
from stages.evaluate.claims.lexicon.words import (
    ELSE,
    EXCEPT,
    INDEFINITES,
    IT,
    NUMBERS,
    ONLY,
    OTHER_DETERMINERS,
    PARTLY,
    PRONOUNS,
    THE,
    THE_ONLY,
    THE_OTHER,
    THE_REST,
)
from stages.evaluate.claims.meaning.logic import Anything, Either, NounPhrase
from stages.evaluate.claims.meaning.phrases import (
    Excepting,
    Group,
    It,
    Neither,
    Others,
    Quantified,
    The,
    Them,
)
from stages.evaluate.claims.meaning.predicates import Echo, Nominal
from stages.evaluate.claims.meaning.quantity import (
    BARE,
    BARE_PLURAL,
    ENDLESS,
    Quantity,
)


class Phrases(Nominals):
    @rule
    def noun_phrases(self, at: int) -> Iterator[Found[NounPhrase]]:
        """One phrase or a list of them, in which later ones may leave out what an earlier one said."""
        for (items, word), end in self.series(at, self._item, AND, OR):
            whole = filled(items)
            if whole is None or (len(whole) > 1 and any(isinstance(item, Them) for item in whole)):
                continue
            if len(whole) == 1:
                yield whole[0], end
            else:
                yield from ((group, end) for group in groups(whole, word))
        for start in self.after(ONLY, at):
            if not any(quantity.name == "count" and quantity.high < ENDLESS for quantity, _ in self.quantity(start)):
                yield from ((only(part), end) for part, end in self.noun_phrases(start))
                if self.word(start - 1) == "just":
                    yield from self.noun_phrases(start)
        yield from self._pair_of_words(at)

    def _pair_of_words(self, at: int) -> Iterator[Found[NounPhrase]]:
        """ "neither a cube nor a sphere", "either a cube or a sphere"."""
        for start in self.after(BOTH, at):
            yield from ((both, end) for both, end in self.noun_phrases(start) if are_two(both))
        for start in self.after(NEITHER, at):
            for what, end in self.elliptic(start):
                for middle in self.after(NOR, end):
                    for more, stop in self.nominal(middle):
                        yield Neither((Quantified(BARE, what.with_head(more)), Quantified(BARE, more))), stop
        for table, denied in ((NEITHER, True), (EITHER, False)):
            for start in self.after(table, at):
                for one, end in self.noun_phrase(start):
                    for middle in self.after(NOR if denied else OR, end):
                        for other, stop in self.noun_phrase(middle):
                            if not denied:
                                yield Group((one, other), "or"), stop
                            else:
                                yield Neither((one, other)), stop

    def _item(self, at: int) -> tuple[Found[NounPhrase], ...]:
        return (*self.noun_phrase(at), *self.headless(at))

    @rule
    def headless(self, at: int) -> Iterator[Found[NounPhrase]]:
        """A phrase without its noun, such as "one blue"."""
        for quantity, start in self.quantity(at):
            if quantity.name == "count":
                yield from ((Quantified(quantity, what), end) for what, end in self.elliptic(start))
        for start in self.after(THE, at):
            yield from ((The(what), end) for what, end in self.elliptic(start))

    @rule
    def noun_phrase(self, at: int) -> Iterator[Found[NounPhrase]]:
        for phrase, end in self._without_exception(at):
            yield phrase, end
            if isinstance(phrase, Quantified):
                for start in self.after(EXCEPT, end):
                    if phrase.quantity.name in ("each", "all"):  # "all cubes but one"
                        for number, stop in self.match(NUMBERS, start):
                            yield replace(phrase, quantity=Quantity("all but", number)), stop
                    for exception, stop in self._without_exception(start):
                        meant = as_exception(exception)
                        if meant is not None:
                            yield Excepting(phrase, meant), stop

    def _without_exception(self, at: int) -> Iterator[Found[NounPhrase]]:
        for quantity, start in self.quantity(at):
            for (items, word), end in self.nominals(start):
                yield from ((phrase, end) for phrase in quantified(quantity, items, word))
        yield from self._definite(at)
        yield from self.other(at)
        yield from self._indefinite(at)
        yield from self.pronoun(at)
        for (items, word), end in self.nominals(at):
            if not is_pronoun(items[0]):
                quantity = BARE_PLURAL if items[0].plural else BARE
                yield from ((phrase, end) for phrase in quantified(quantity, items, word))

    def _definite(self, at: int) -> Iterator[Found[NounPhrase]]:
        for start in self.after(THE, at):
            for (items, word), end in self.nominals(start):
                phrases = tuple(the(item) for item in items)
                if len(phrases) == 1:
                    yield phrases[0], end
                elif all(item.plural for item in items):
                    yield Quantified(Quantity("the"), Either(items)), end
                else:
                    yield Group(phrases, "or" if word == "or" else "and"), end
            yield from self._both_ranks(start)
        for start in self.after(THE_ONLY, at):
            for what, end in self.nominal(start):
                yield Quantified(Quantity("the") if what.plural else Quantity("whole", of=1), what), end

    def _both_ranks(self, at: int) -> Iterator[Found[NounPhrase]]:
        """ "(the) leftmost and rightmost objects"."""
        for rank, end in self.ranks(at):
            for start in self.after(AND, end):
                for what, stop in self.nominal(start):
                    if rank is not None and what.rank is not None:
                        yield Group((The(replace(what, rank=rank)), The(what)), "and"), stop

    @rule
    def other(self, at: int) -> Iterator[Found[NounPhrase]]:
        for quantity, start in self.match(OTHER_DETERMINERS, at):
            yield from ((Others(quantity, what), end) for what, end in self.nominal(start))
        for start in self.after(THE_OTHER, at):
            yield Others(Quantity("whole", of=1), None), start
            for number, end in self.match(NUMBERS, start):
                yield Others(Quantity("whole", of=number), None), end
                yield from ((Others(Quantity("whole", of=number), what), stop) for what, stop in self.nominal(end))
            for what, end in self.nominal(start):
                quantity = Quantity("the") if what.plural else Quantity("whole", of=1)
                yield Others(quantity, None if isinstance(what.head, Echo) and not what.before else what), end
        for start in self.after(THE_REST, at):
            yield Others(Quantity("all"), None), start

    def _indefinite(self, at: int) -> Iterator[Found[NounPhrase]]:
        """ "everything on the left", "nothing red", "something else"."""
        for quantity, start in self.match(INDEFINITES, at):
            for end in self.after(ELSE, start):
                yield Others(Quantity("all") if quantity.name == "each" else quantity, Nominal()), end
            for before, middle in self.modifiers(start):
                for trail, end in self.trailing(middle):
                    if trail.rank is None:
                        yield Quantified(quantity, Nominal(before, Anything(), trail.parts)), end

    @rule
    def pronoun(self, at: int) -> Iterator[Found[NounPhrase]]:
        if at > 0:
            yield from ((It(), end) for end in self.after(IT, at))
        for quantity, end in self.match(PRONOUNS, at):
            if at > 0:
                yield Them(quantity, quantity.name in PARTLY), end
            elif quantity.name != "whole" and self.word(0) not in ("they", "them", "these", "those"):
                yield Quantified(quantity, Nominal()), end  # "All are red." as the first words: of all there is
