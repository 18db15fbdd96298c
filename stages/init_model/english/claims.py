"""Sentences about a picture, and whether they are true of it.

There are few enough to list them all, so a sentence that a model writes can be looked up.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

from stages.core.clevr.vocabulary import CHANGEABLE
from stages.init_model.lessons import Thing, View

Wanted = tuple[tuple[str, str], ...]  # attributes with their values, in English order

BRIEF, FULL = ("color", "shape"), ("color", "material", "shape")  # attributes that name a thing
_NAMED_BY = {BRIEF: 0.8, ("color",): 0.1, ("shape",): 0.1}  # by which attributes claims name things, and how often
_WORDINGS = ("There is {}.", "I see {}.", "The picture has {}.")
_MIXED, _CHANGED = 0.5, 0.3  # false claims that mix two things, and that change one attribute of a thing


@dataclass(frozen=True)
class Claim:
    """That a thing with certain attributes is there."""

    wanted: Wanted

    def is_true(self, view: View) -> bool:
        return any(fits(thing, self.wanted) for thing in view.things)


def sentence(claim: Claim, dice: random.Random) -> str:
    """One of the wordings of a claim."""
    return dice.choice(list(_wordings(claim)))


@cache
def claims_by_sentence() -> dict[str, Claim]:
    """Every sentence about a thing that scripted players may say."""
    return {text: claim for claim in _all_claims() for text in _wordings(claim)}


def true_claim(view: View, dice: random.Random) -> Claim:
    """That one of the things is there, mostly named by color and shape."""
    return Claim(of(dice.choice(view.things), _some_attributes(dice)))


def random_claim(dice: random.Random) -> Claim:
    """About no picture in particular."""
    return Claim(tuple((name, dice.choice(CHANGEABLE[name])) for name in _some_attributes(dice)))


def false_claim(view: View, dice: random.Random) -> Claim:
    """That something is there which is not. Most such claims are near misses.

    They name the color of one thing with the shape of another, or a thing with one attribute changed.
    """
    for _ in range(20):
        chance, thing, other = dice.random(), dice.choice(view.things), dice.choice(view.things)
        if chance < _MIXED:
            claim = Claim((("color", thing.color), ("shape", other.shape)))
        elif chance < _MIXED + _CHANGED:
            name = dice.choice(BRIEF)
            claim = Claim(of(thing._replace(**{name: dice.choice(CHANGEABLE[name])}), BRIEF))
        else:
            claim = random_claim(dice)
        if not claim.is_true(view):
            return claim
    return next(claim for _ in iter(int, 1) if not (claim := random_claim(dice)).is_true(view))


def refutation(claim: Claim) -> str:
    """Why a false claim is false, in a few words, without a full stop."""
    return f"I see no {noun(claim.wanted)}"


def listing(things: Sequence[Thing], attributes: Sequence[str]) -> str:
    """`I see a red cube, a blue sphere and a cyan cylinder.`"""
    *most, last = [a(noun(of(thing, attributes))) for thing in things]
    return f"I see {', '.join(most)} and {last}." if most else f"I see {last}."


def noun(wanted: Wanted) -> str:
    """`red metal cube`, `red object`."""
    values = dict(wanted)
    head = values.pop("shape", "object")
    return " ".join([*values.values(), head])


def a(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _all_claims() -> Iterator[Claim]:
    for names in _NAMED_BY:
        for values in product(*(CHANGEABLE[name] for name in names)):
            yield Claim(tuple(zip(names, values, strict=True)))


def _some_attributes(dice: random.Random) -> tuple[str, ...]:
    return dice.choices(list(_NAMED_BY), list(_NAMED_BY.values()))[0]


def _wordings(claim: Claim) -> Iterator[str]:
    return (wording.format(a(noun(claim.wanted))) for wording in _WORDINGS)


def of(thing: Thing, attributes: Sequence[str]) -> Wanted:
    return tuple((name, getattr(thing, name)) for name in attributes)


def fits(thing: Thing, wanted: Wanted) -> bool:
    return all(getattr(thing, name) == value for name, value in wanted)
