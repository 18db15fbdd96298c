"""Sentences about a picture, and whether they are true of it.

There are few enough to list them all, so a sentence that a model writes can be looked up.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

from stages.core.clevr.vocabulary import CHANGEABLE, COLORS, SHAPES
from stages.core.recipe.games import GRID_CELLS
from stages.init_model.lessons import Thing, View

Wanted = tuple[tuple[str, str], ...]  # attributes with their values, in English order

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIDES = {0: "on the left", GRID_CELLS - 1: "on the right"}  # by column of the grid
_EXIST = ("There is {}.", "I see {}.", "The picture has {}.")
_PLACED = ("The {noun} is {where}.", "There is {a_noun} {where}.")
BRIEF, FULL = ("color", "shape"), ("color", "material", "shape")  # attributes that name a thing
_COUNTED = ("shape", "color", "material")


@dataclass(frozen=True)
class Claim:
    """That something is there, `number` of it (None: at least one), perhaps in a `column` at the side."""

    wanted: Wanted
    number: int | None = None
    column: int | None = None

    def is_true(self, view: View) -> bool:
        found = [cell for cell, thing in enumerate(view.cells) if thing is not None and fits(thing, self.wanted)]
        if self.number is not None:
            return len(found) == self.number
        return any(self.column is None or cell % GRID_CELLS == self.column for cell in found)


def sentence(claim: Claim, dice: random.Random) -> str:
    """One of the wordings of a claim."""
    return dice.choice(list(_wordings(claim)))


@cache
def claims_by_sentence() -> dict[str, Claim]:
    """Every sentence about one or more things that scripted players may say."""
    return {text: claim for claim in _all_claims() for text in _wordings(claim)}


def true_claim(view: View, dice: random.Random) -> Claim:
    """Mostly that a thing is there; at times on which side it stands alone, or how many there are."""
    kind = dice.choices(("exists", "side", "count"), (0.7, 0.15, 0.15))[0]
    thing = dice.choice(view.things)
    alone = [
        (column, things[0])
        for column in SIDES
        if len(things := [each for each in view.cells[column::GRID_CELLS] if each is not None]) == 1
    ]
    if kind == "side" and alone:
        column, thing = dice.choice(alone)
        return Claim(of(thing, BRIEF), column=column)
    if kind == "count":
        name = dice.choice(_COUNTED)
        wanted = ((name, getattr(thing, name)),)
        return Claim(wanted, number=sum(fits(each, wanted) for each in view.things))
    return Claim(of(thing, dice.choices((BRIEF, FULL), (0.65, 0.35))[0]))


def random_claim(dice: random.Random) -> Claim:
    """About no picture in particular."""
    return Claim((("color", dice.choice(tuple(COLORS))), ("shape", dice.choice(SHAPES))))


def false_claim(view: View, dice: random.Random) -> Claim:
    """That something is there which is not, but shares a colour or a shape with what is, if there is such a thing."""
    for _ in range(20):
        thing = dice.choice(view.things)
        color = dice.choice(tuple(COLORS)) if dice.random() < 0.6 else thing.color
        shape = thing.shape if color != thing.color and dice.random() < 0.6 else dice.choice(SHAPES)
        claim = Claim((("color", color), ("shape", shape)))
        if not claim.is_true(view):
            return claim
    return next(claim for _ in iter(int, 1) if not (claim := random_claim(dice)).is_true(view))


def refutation(claim: Claim, view: View) -> str:
    """Why a false claim is false, in a few words, without a full stop."""
    if claim.number is not None:
        found = sum(fits(thing, claim.wanted) for thing in view.things)
        return f"I count {_counted(claim.wanted, found)}"
    if claim.column is not None and any(fits(thing, claim.wanted) for thing in view.things):
        return f"the {noun(claim.wanted)} is not {SIDES[claim.column]}"
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
    for names in (BRIEF, FULL):
        for values in product(*(CHANGEABLE[name] for name in names)):
            wanted = tuple(zip(names, values, strict=True))
            yield Claim(wanted)
            if names == BRIEF:
                yield from (Claim(wanted, column=column) for column in SIDES)
    for name in _COUNTED:
        for value in CHANGEABLE[name]:
            yield from (Claim(((name, value),), number=number) for number in range(GRID_CELLS**2 + 1))


def _wordings(claim: Claim) -> Iterator[str]:
    if claim.number is not None:
        yield f"There {'is' if claim.number == 1 else 'are'} {_counted(claim.wanted, claim.number)}."
    elif claim.column is not None:
        phrase, where = noun(claim.wanted), SIDES[claim.column]
        yield from (wording.format(noun=phrase, a_noun=a(phrase), where=where) for wording in _PLACED)
    else:
        yield from (wording.format(a(noun(claim.wanted))) for wording in _EXIST)


def _counted(wanted: Wanted, number: int) -> str:
    return f"{NUMBERS[number]} {noun(wanted)}{'' if number == 1 else 's'}"


def of(thing: Thing, attributes: Sequence[str]) -> Wanted:
    return tuple((name, getattr(thing, name)) for name in attributes)


def fits(thing: Thing, wanted: Wanted) -> bool:
    return all(getattr(thing, name) == value for name, value in wanted)
