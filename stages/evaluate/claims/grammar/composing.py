"""Makes meanings of the pieces of noun phrases: a quantity and a noun, the items of a list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from stages.evaluate.claims.grammar.nominals import compatible
from stages.evaluate.claims.meaning.logic import Anything, Both, Either, NounPhrase, Predicate
from stages.evaluate.claims.meaning.phrases import (
    Excepting,
    Group,
    Only,
    Quantified,
    The,
    with_head,
)
from stages.evaluate.claims.meaning.predicates import FarOn, Is, Nominal
from stages.evaluate.claims.meaning.quantity import (
    ANOTHER_ONE,
    BARE,
    BARE_PLURAL,
    NO,
    Quantity,
    at_least,
    exactly,
)
from stages.evaluate.claims.meaning.ranks import Outermost

_SHARED = ("each", "all", "the", "whole", "any", "none of", "part", "half", "most", "not all", "all but", "some of",
           "less than half", "many", "odd", "even")  # fmt: skip


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
    if phrase.quantity == BARE_PLURAL:
        return replace(phrase, quantity=at_least(1))
    named = bool(phrase.what.before) or not isinstance(phrase.what.head, Anything)
    counted = phrase.quantity.name == "count" and phrase.quantity.low == phrase.quantity.high > 0
    return phrase if phrase.quantity.name in ("the", "all", "whole", "bare plural") or (counted and named) else None


def the(what: Nominal) -> NounPhrase:
    far = [part for part in what.after if isinstance(part, FarOn)]
    if far and what.rank is None and not what.plural:  # "the cube on the far left" is the leftmost
        rest = tuple(part for part in what.after if part not in far)
        return The(replace(what, after=rest, rank=Outermost(far[0].side)))
    return Quantified(Quantity("the"), what) if what.plural else The(what)


def none_of(phrase: NounPhrase) -> NounPhrase:
    return replace(phrase, quantity=NO) if isinstance(phrase, Quantified) else phrase


def quantified(quantity: Quantity, items: tuple[Nominal, ...], word: str) -> Iterator[NounPhrase]:
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
    if quantity.name == "whole" and quantity.of > 1 and not what.plural:
        return  # "both the cube" goes on: "and the sphere"
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


def are_two(phrase: NounPhrase) -> bool:
    return isinstance(phrase, Group) and phrase.word == "and" and len(phrase.parts) == 2


def _missing(phrase: NounPhrase) -> bool:
    what = getattr(phrase, "what", None)
    return isinstance(what, Nominal) and what.head is None


def filled(items: tuple[NounPhrase, ...]) -> tuple[NounPhrase, ...] | None:
    """Each with a noun, taken from the one before it or, at the beginning, from the next that has one."""
    found = list(items)
    first = next((item for item in items if not _missing(item)), None)
    if first is None:
        return tuple(map(_of_anything, items)) if all(getattr(item, "quantity", None) == NO for item in items) else None
    later = [getattr(part, "quantity", None) for item in items[1:] for part in parts_of(item)]
    if isinstance(items[0], Excepting) and any(quantity in (BARE, BARE_PLURAL) for quantity in later):
        return None  # "none except cubes and spheres": both are excepted
    if any(_missing(one) and getattr(two, "quantity", None) in (BARE, BARE_PLURAL) for one, two in pairwise(items)):
        return None  # "a large, red cube" is no list
    for number, item in enumerate(items):
        found[number] = with_head(item, found[number - 1] if number and not _missing(found[number - 1]) else first)
    return None if any(map(_missing, found)) else tuple(found)


def _of_anything(phrase: NounPhrase) -> NounPhrase:
    """ "no yellow": no yellow object."""
    if isinstance(phrase, Quantified) and isinstance(phrase.what, Nominal):
        return replace(phrase, what=replace(phrase.what, head=Anything()))
    return phrase


def groups(parts: tuple[NounPhrase, ...], word: str) -> Iterator[NounPhrase]:
    """ "no cubes or spheres" is no spheres either; of "no cubes and spheres" one cannot be sure."""
    bare = all(isinstance(part, Quantified) and part.quantity in (BARE, BARE_PLURAL) for part in parts[1:])
    if bare and isinstance(parts[0], Quantified) and parts[0].quantity == NO:
        yield Group(tuple(map(none_of, parts)), "and")
        if word != "and":
            return
    yield Group(parts, "or" if word == "or" else "and")


def only(phrase: NounPhrase) -> Only:
    """ "only red and blue cubes": one of each will do."""
    if isinstance(phrase, Group):
        return Only(replace(phrase, parts=tuple(map(_one_will_do, phrase.parts))))
    return Only(phrase)


def _one_will_do(phrase: NounPhrase) -> NounPhrase:
    plural = isinstance(phrase, Quantified) and phrase.quantity == BARE_PLURAL
    return replace(phrase, quantity=BARE) if isinstance(phrase, Quantified) and plural else phrase


def parts_of(phrase: NounPhrase) -> tuple[NounPhrase, ...]:
    return phrase.parts if isinstance(phrase, Group) and phrase.word != "or" else (phrase,)


def agrees(kind: Predicate, phrase: NounPhrase) -> bool:
    """Whether what a list names can be of that kind: no cube among spheres."""
    return all(compatible(_said(kind) + _said(part.what)) for part in parts_of(phrase) if isinstance(part, Quantified))


def _said(kind: Predicate) -> list[Predicate]:
    parts = [*kind.before, kind.head, *kind.after] if isinstance(kind, Nominal) else [kind]
    return [part for part in parts if isinstance(part, Is | Both)]
