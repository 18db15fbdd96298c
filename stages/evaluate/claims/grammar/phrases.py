"""Reads noun phrases and lists of them: "two red cubes and the sphere", "everything else", "it"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

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
    PRONOUNS,
    THE,
    THE_ONLY,
    THE_OTHER,
    THE_REST,
)
from stages.evaluate.claims.meaning.logic import Anything, Either, NounPhrase, Predicate
from stages.evaluate.claims.meaning.phrases import (
    Excepting,
    Group,
    It,
    Neither,
    Only,
    Others,
    Quantified,
    The,
    Them,
    with_head,
)
from stages.evaluate.claims.meaning.predicates import Echo, Nominal
from stages.evaluate.claims.meaning.quantity import ANOTHER_ONE, BARE, BARE_PLURAL, NO, Quantity, at_least, exactly

_SHARED = ("each", "all", "the", "whole", "any", "none of", "part", "half", "most", "not all", "all but", "some of",
           "less than half", "many", "odd", "even")  # fmt: skip


class Phrases(Nominals):
    @rule
    def noun_phrases(self, at: int) -> Iterator[Found[NounPhrase]]:
        """One phrase or a list of them, in which later ones may leave out what an earlier one said."""
        for (items, word), end in self.series(at, self._item, AND, OR):
            filled = _filled(items)
            if filled is None or (len(filled) > 1 and any(isinstance(item, Them) for item in filled)):
                continue
            if len(filled) == 1:
                yield filled[0], end
            else:
                yield from ((group, end) for group in _groups(filled, word))
        for start in self.after(ONLY, at):
            if not any(self.bounds(start)):
                yield from ((Only(part), end) for part, end in self.noun_phrases(start))
                if self.word(start - 1) == "just":
                    yield from self.noun_phrases(start)
        yield from self._pair_of_words(at)

    def _pair_of_words(self, at: int) -> Iterator[Found[NounPhrase]]:
        """ "neither a cube nor a sphere", "either a cube or a sphere"."""
        for start in self.after(BOTH, at):
            yield from ((both, end) for both, end in self.noun_phrases(start) if _two(both))
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
                    for exception, stop in self._without_exception(start):
                        meant = as_exception(exception)
                        if meant is not None:
                            yield Excepting(phrase, meant), stop

    def _without_exception(self, at: int) -> Iterator[Found[NounPhrase]]:
        for quantity, start in self.quantity(at):
            for (items, word), end in self.nominals(start):
                yield from ((phrase, end) for phrase in _quantified(quantity, items, word))
        yield from self._definite(at)
        yield from self.other(at)
        yield from self._indefinite(at)
        yield from self.pronoun(at)
        for (items, word), end in self.nominals(at):
            if not is_pronoun(items[0]):
                quantity = BARE_PLURAL if items[0].plural else BARE
                yield from ((phrase, end) for phrase in _quantified(quantity, items, word))

    def _definite(self, at: int) -> Iterator[Found[NounPhrase]]:
        for start in self.after(THE, at):
            for (items, word), end in self.nominals(start):
                phrases = tuple(_the(item) for item in items)
                if len(phrases) == 1:
                    yield phrases[0], end
                elif all(item.plural for item in items):
                    yield Quantified(Quantity("the"), Either(items)), end
                else:
                    yield Group(phrases, "or" if word == "or" else "and"), end
        for start in self.after(THE_ONLY, at):
            for what, end in self.nominal(start):
                yield Quantified(Quantity("the") if what.plural else Quantity("whole", of=1), what), end

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
                yield Them(quantity), end
            elif quantity.name != "whole":
                yield Quantified(quantity, Nominal()), end  # "All are red." as the first words: of all there is


def as_exception(phrase: NounPhrase) -> NounPhrase | None:
    """Itself if it says which things it excepts: "the cube", "one small cube", but not "two objects"."""
    if isinstance(phrase, Group):
        parts = [as_exception(part) for part in phrase.parts]
        found = tuple(part for part in parts if part is not None)
        return Group(found, "and") if len(found) == len(parts) else None
    if isinstance(phrase, The):
        return phrase
    if not isinstance(phrase, Quantified) or not isinstance(phrase.what, Nominal):
        return None
    if phrase.quantity in (at_least(1), BARE):
        return replace(phrase, quantity=exactly(1))
    named = bool(phrase.what.before) or not isinstance(phrase.what.head, Anything)
    counted = phrase.quantity.name == "count" and phrase.quantity.low == phrase.quantity.high > 0
    return phrase if phrase.quantity.name in ("the", "all", "whole", "bare plural") or (counted and named) else None


def _the(what: Nominal) -> NounPhrase:
    return Quantified(Quantity("the"), what) if what.plural else The(what)


def _none(phrase: NounPhrase) -> NounPhrase:
    return replace(phrase, quantity=NO) if isinstance(phrase, Quantified) else phrase


def _quantified(quantity: Quantity, items: tuple[Nominal, ...], word: str) -> Iterator[NounPhrase]:
    """What a quantity of one noun, or of several that share it, can mean."""
    if quantity.name == "plural" and not items[0].plural:
        quantity = at_least(1)
    if quantity == Quantity("whole", of=2) and (len(items) > 1 or any(map(_is_mixed, items[0].before))):
        quantity = Quantity("plural")  # "both metal and rubber objects"
    if len(items) == 1:
        yield from _of_one(quantity, items[0])
    elif (
        quantity.name in _SHARED
        or quantity.high == 0
        or (word == "or" and quantity.name == "count")
        or (quantity.name == "count" and quantity != at_least(1))
    ):
        yield Quantified(quantity, Either(items))
    elif quantity in (at_least(1), ANOTHER_ONE, BARE, BARE_PLURAL, Quantity("plural")):
        yield Group(tuple(Quantified(quantity, item) for item in items), "or" if word == "or" else "and")


def _is_mixed(part: Predicate) -> bool:
    return isinstance(part, Either) and part.mixed


def _of_one(quantity: Quantity, what: Nominal) -> Iterator[NounPhrase]:
    mixed = [part for part in what.before if isinstance(part, Either) and part.mixed]
    if what.rank is not None and (quantity.name not in _SHARED or quantity.of > 1):
        if quantity.name == "bare":
            yield The(what)
    elif not mixed or quantity.name in _SHARED:
        yield Quantified(quantity, what)
    elif quantity.name in ("plural", "bare plural"):
        for either in mixed[:1]:
            rest = tuple(part for part in what.before if part is not either)
            yield Group(
                tuple(Quantified(quantity, replace(what, before=(part, *rest))) for part in either.parts), "and"
            )


def _two(phrase: NounPhrase) -> bool:
    return isinstance(phrase, Group) and phrase.word == "and" and len(phrase.parts) == 2


def _missing(phrase: NounPhrase) -> bool:
    what = getattr(phrase, "what", None)
    return isinstance(what, Nominal) and what.head is None


def _filled(items: tuple[NounPhrase, ...]) -> tuple[NounPhrase, ...] | None:
    """Each with a noun, taken from the one before it or, at the beginning, from the next that has one."""
    found = list(items)
    first = next((item for item in items if not _missing(item)), None)
    if first is None:
        return None
    if any(_missing(one) and getattr(two, "quantity", None) in (BARE, BARE_PLURAL) for one, two in pairwise(items)):
        return None  # "a large, red cube" is no list
    for number, item in enumerate(items):
        found[number] = with_head(item, found[number - 1] if number and not _missing(found[number - 1]) else first)
    return None if any(map(_missing, found)) else tuple(found)


def _groups(parts: tuple[NounPhrase, ...], word: str) -> Iterator[NounPhrase]:
    """ "no cubes or spheres" is no spheres either; of "no cubes and spheres" one cannot be sure."""
    bare = all(isinstance(part, Quantified) and part.quantity in (BARE, BARE_PLURAL) for part in parts[1:])
    if bare and isinstance(parts[0], Quantified) and parts[0].quantity == NO:
        yield Group(tuple(map(_none, parts)), "and")
        if word != "and":
            return
    yield Group(parts, "or" if word == "or" else "and")
