"""Questions about a scene with exact answers: exist, count, query, compare.

They are not turns of the game, so a policy that gets better at them through self-play has learned more than the game.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from stages.core.clevr.vocabulary import COLORS, MATERIALS, SHAPES, SIZES
from stages.core.seeds import rng

Kind = Literal["exist", "count", "query", "compare"]
Thing = Mapping[str, str]  # an object's values by attribute
Wanted = dict[str, str]  # the attributes and values that a question is about

KINDS: tuple[Kind, ...] = ("exist", "count", "query", "compare")
VALUES: dict[str, Sequence[str]] = {"size": SIZES, "color": tuple(COLORS), "material": MATERIALS, "shape": SHAPES}
"""Attributes in their English order before a noun."""

_TRIES = 100
_MOST_TRIES = 20  # per wanted question, since not every scene has a question of every kind


@dataclass(frozen=True)
class Question:
    """`text` is in plain English, `compact` in the tiny model's few words; `choices` are all possible answers."""

    kind: Kind
    text: str
    compact: str
    answer: str
    choices: tuple[str, ...]


Drawn = tuple[str, str, str, Question]  # question id, pair id, picture, question


def draw_questions(pairs: pl.DataFrame, count: int, attributes: Sequence[str], seed: int, purpose: str) -> list[Drawn]:
    """`count` questions about CLEVR pictures, cycling through kinds and pictures; none without CLEVR pictures."""
    pictures = [
        (row["pair_id"], row[name], json.loads(row[scene])["objects"])
        for row in pairs.filter(pl.col("domain") == "clevr").sort("pair_id").iter_rows(named=True)
        for name, scene in (("original", "scene"), ("modified", "modified_scene"))
        if row[scene] is not None
    ]
    drawn: list[Drawn] = []
    tries = 0
    while pictures and len(drawn) < count and tries < _MOST_TRIES * count:
        number, kind = f"q{tries:06d}", KINDS[len(drawn) % len(KINDS)]
        pair_id, picture, things = pictures[tries % len(pictures)]
        tries += 1
        try:
            question = ask(kind, things, attributes, rng(seed, purpose, number))
        except LookupError:
            continue  # this scene has no question of this kind
        drawn.append((number, pair_id, picture, question))
    return drawn


def ask(kind: Kind, things: Sequence[Thing], attributes: Sequence[str], dice: random.Random) -> Question:
    """A question of this kind about the scene's `things` that names only `attributes` (keys of `VALUES`).

    Answers are balanced as far as the scene allows: yes and no are equally likely, and counts as even as possible.
    `LookupError` if the scene has no question of this kind, e.g. if no attribute value belongs to just one thing.
    """
    return _MAKERS[kind](things, [name for name in VALUES if name in attributes], dice)


def _exist(things: Sequence[Thing], attributes: Sequence[str], dice: random.Random) -> Question:
    yes = dice.random() < 0.5
    wanted = _draw(things, attributes, dice, lambda wanted: (_count(things, wanted) > 0) == yes)
    phrase = noun(wanted)
    article = "an" if phrase[0] in "aeiou" else "a"
    return _yes_no("exist", f"Is there {article} {phrase} in the picture?", f"exist {compact(wanted)}", yes)


def _count_of(things: Sequence[Thing], attributes: Sequence[str], dice: random.Random) -> Question:
    possible = {_count(things, {name: value}) for name in attributes for value in VALUES[name]}
    number = dice.choice(sorted(possible))
    wanted = _draw(things, attributes, dice, lambda wanted: len(wanted) == 1 and _count(things, wanted) == number)
    text = f"How many {noun(wanted, plural=True)} are in the picture?"
    numbers = tuple(str(each) for each in range(10))
    return Question("count", text, f"count {compact(wanted)}", str(number), numbers)


def _query(things: Sequence[Thing], attributes: Sequence[str], dice: random.Random) -> Question:
    """Ask for an attribute of a thing that another attribute alone identifies."""
    single = [
        (name, value)
        for name in attributes
        for value, count in Counter(thing[name] for thing in things).items()
        if count == 1
    ]
    if not single or len(attributes) < 2:
        raise LookupError("no attribute value belongs to one thing alone")
    name, value = dice.choice(sorted(single))
    (thing,) = (each for each in things if each[name] == value)
    asked = dice.choice([other for other in attributes if other != name])
    text = f"What {asked} is the only {noun({name: value})}?"
    return Question("query", text, f"{asked} {value}", thing[asked], tuple(VALUES[asked]))


def _compare(things: Sequence[Thing], attributes: Sequence[str], dice: random.Random) -> Question:
    yes = dice.random() < 0.5
    for _ in range(_TRIES):
        name = dice.choice(attributes)
        one, other = dice.sample(VALUES[name], 2)
        more, less = ({name: value} for value in (one, other))
        if _count(things, more) + _count(things, less) and (_count(things, more) > _count(things, less)) == yes:
            text = f"Are there more {noun(more, plural=True)} than {noun(less, plural=True)} in the picture?"
            return _yes_no("compare", text, f"more {one} than {other}", yes)
    raise LookupError("no two attribute values to compare")


_MAKERS: dict[Kind, Callable[[Sequence[Thing], Sequence[str], random.Random], Question]] = {
    "exist": _exist,
    "count": _count_of,
    "query": _query,
    "compare": _compare,
}


def _yes_no(kind: Kind, text: str, short: str, yes: bool) -> Question:
    return Question(kind, text, short, "yes" if yes else "no", ("yes", "no"))


def _draw(
    things: Sequence[Thing], attributes: Sequence[str], dice: random.Random, fits: Callable[[Wanted], bool]
) -> Wanted:
    """One or two attributes for which `fits` holds. Half of the draws start from a thing in the scene."""
    for _ in range(_TRIES):
        named = dice.sample(attributes, dice.randint(1, min(2, len(attributes))))
        thing = dice.choice(things) if dice.random() < 0.5 else None
        wanted = {name: thing[name] if thing else dice.choice(VALUES[name]) for name in VALUES if name in named}
        if fits(wanted):
            return wanted
    raise LookupError("no attributes give this answer")


def _count(things: Sequence[Thing], wanted: Wanted) -> int:
    return sum(all(thing[name] == value for name, value in wanted.items()) for thing in things)


def noun(wanted: Wanted, *, plural: bool = False) -> str:
    """The wanted things in English: "small red metal cube", "cyan things"."""
    head = wanted.get("shape", "thing") + ("s" if plural else "")
    return " ".join([*(value for name, value in wanted.items() if name != "shape"), head])


def compact(wanted: Wanted) -> str:
    """The same as bare values: "small red metal cube", "cyan"."""
    return " ".join(wanted.values())
