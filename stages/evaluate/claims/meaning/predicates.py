"""What can be true of one object: its attributes, its place, how it compares to others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stages.evaluate.claims.meaning.logic import (
    ANYTHING,
    Anything,
    Nonsense,
    NounPhrase,
    Predicate,
    Truth,
    View,
    World,
    agreed,
    every,
)
from stages.evaluate.claims.meaning.ranks import OPPOSITE, Outermost, Rank

ATTRIBUTES = ("shape", "size", "color", "material")
_BIGNESS = {"small": 0, "large": 1}


@dataclass(frozen=True)
class Is(Predicate):
    """An attribute's value; one that CLEVR does not know, such as "pink", is nobody's."""

    attribute: str
    value: str

    def holds(self, thing: int, view: View) -> Truth:
        return view.world.values[thing][self.attribute] == self.value


@dataclass(frozen=True)
class Vague(Predicate):
    """Understood, but nothing that a scene decides: "next to", "in the middle"."""

    word: str

    def holds(self, thing: int, view: View) -> Truth:
        return None


@dataclass(frozen=True)
class InHalf(Predicate):
    """On the left, right, upper or lower half of the picture, by pixels."""

    side: str

    def holds(self, thing: int, view: View) -> Truth:
        place = (view.world.across if self.side in ("left", "right") else view.world.down)[thing]
        if place is None or place == 0.5:
            return None
        return (place < 0.5) == (self.side in ("left", "upper"))


@dataclass(frozen=True)
class Leaning(Predicate):
    """ "to the left", of nothing that was named: true on that half of the picture, false only at the other end."""

    side: str

    def holds(self, thing: int, view: View) -> Truth:
        if InHalf(self.side).holds(thing, view):
            return True
        last = Outermost(OPPOSITE[self.side]).leads(thing, view.world.things, view.world)
        return False if last and InHalf(self.side).holds(thing, view) is False else None


@dataclass(frozen=True)
class FarOn(Predicate):
    """ "on the far left", "in the back": certain of the outermost, not of those on the other side."""

    side: str

    def holds(self, thing: int, view: View) -> Truth:
        world = view.world
        if Outermost(self.side).leads(thing, world.things, world):
            return True
        if self.side in ("left", "right") and InHalf(self.side).holds(thing, view) is False:
            return False
        return False if Outermost(OPPOSITE[self.side]).leads(thing, world.things, world) else None


@dataclass(frozen=True)
class Echo(Predicate):
    """ "one", "ones": the noun that was said last."""

    def holds(self, thing: int, view: View) -> Truth:
        return True if view.noun is None else view.noun.holds(thing, view)


@dataclass(frozen=True)
class Said(Predicate):
    """What was said last, left out: "the cube is red, the sphere is not"."""

    def holds(self, thing: int, view: View) -> Truth:
        if view.said is None:
            raise Nonsense("nothing was said before")
        return view.said.holds(thing, view)


@dataclass(frozen=True)
class Nominal(Predicate):
    """A noun with all that is said around it. `head` None: the noun was left out, as in "two red and one blue cube"."""

    before: tuple[Predicate, ...] = ()
    head: Predicate | None = ANYTHING
    after: tuple[Predicate, ...] = ()
    rank: Rank | None = None
    plural: bool = False

    def holds(self, thing: int, view: View) -> Truth:
        key = (id(self), thing)
        if key not in view.known:
            view.known[key] = self, self._holds(thing, view)
        return view.known[key][1]

    def _holds(self, thing: int, view: View) -> Truth:
        fits = self._fits(thing, view)
        if self.rank is None or fits is False:
            return fits
        others = {other: self._fits(other, view) for other in view.world.things if other != thing}
        sure = [other for other, fit in others.items() if fit]
        possible = [other for other, fit in others.items() if fit is not False]
        leads = agreed(self.rank.leads(thing, among, view.world) for among in (sure, possible))
        return every((fits, leads))

    def _fits(self, thing: int, view: View) -> Truth:
        inner = view
        if self.head is not None and not isinstance(self.head, Anything | Echo):
            inner = view.calling(self.head)
        parts = [(part, view) for part in (self.head, *self.before) if part is not None]
        parts += [(part, inner) for part in self.after]
        return every(part.holds(thing, where) for part, where in parts)

    def with_head(self, donor: Nominal) -> Nominal:
        """Itself with the noun of `donor` where its own is missing."""
        if self.head is None or isinstance(self.head, Echo):
            return replace(self, head=donor.head)
        return self


@dataclass(frozen=True)
class Beside(Predicate):
    """On these sides ("left", "right", "front", "behind") of another, all at once."""

    sides: tuple[str, ...]
    whom: NounPhrase

    def holds(self, thing: int, view: View) -> Truth:
        def there(other: int) -> bool:
            return all(thing in view.world.sides[side][other] for side in self.sides)

        return self.whom.true_of(there, view, but=thing)


@dataclass(frozen=True)
class Near(Predicate):
    """ "next to the cube": false where there is no such thing, else cannot tell."""

    word: str
    whom: NounPhrase

    def holds(self, thing: int, view: View) -> Truth:
        return self.whom.true_of(lambda other: None, view, but=thing)


@dataclass(frozen=True)
class Holding(Predicate):
    """With another on that side of it: "has a sphere to its left"."""

    side: str
    what: NounPhrase

    def holds(self, thing: int, view: View) -> Truth:
        return self.what.true_of(lambda other: other in view.world.sides[self.side][thing], view, but=thing)


@dataclass(frozen=True)
class Between(Predicate):
    """Between two, both in the picture's width and in depth; in one of them only: cannot tell."""

    one: NounPhrase
    other: NounPhrase

    def holds(self, thing: int, view: View) -> Truth:
        def between(one: int, other: int) -> Truth:
            return between_two(thing, one, other, view.world)

        return self.one.true_of(
            lambda one: self.other.true_of(lambda other: between(one, other), view, but=one), view, but=thing
        )


@dataclass(frozen=True)
class BetweenBoth(Predicate):
    """Between "the two cubes": cannot tell unless there are two."""

    whom: NounPhrase

    def holds(self, thing: int, view: View) -> Truth:
        kind = self.whom.kind(view)
        pair = [other for other in view.world.things if kind.holds(other, view) is not False and other != thing]
        if len(pair) < 2:
            return False
        return between_two(thing, pair[0], pair[1], view.world) if len(pair) == 2 else None


def between_two(thing: int, one: int, other: int, world: World) -> Truth:
    sides = world.sides
    ways = [
        any(thing in sides[way][one] and thing in sides[OPPOSITE[way]][other] for way in pair)
        for pair in (("left", "right"), ("front", "behind"))
    ]
    return agreed(ways)


@dataclass(frozen=True)
class Like(Predicate):
    """As, or unlike, another in some attributes: "the same colour as", "bigger than"."""

    attributes: tuple[str, ...]
    how: str  # same, different, larger, smaller
    whom: NounPhrase

    def holds(self, thing: int, view: View) -> Truth:
        def compare(other: int) -> Truth:
            return alike(thing, other, self.attributes, self.how, view.world)

        return self.whom.true_of(compare, view, but=thing)


def alike(one: int, other: int, attributes: Sequence[str], how: str, world: World) -> bool:
    mine, its = world.values[one], world.values[other]
    if how in ("larger", "smaller"):
        step = _BIGNESS[mine["size"]] - _BIGNESS[its["size"]]
        return step > 0 if how == "larger" else step < 0
    if how == "same":
        return all(mine[name] == its[name] for name in attributes)
    return all(mine[name] != its[name] for name in attributes)


@dataclass(frozen=True)
class LikeBefore(Predicate):
    """ "is larger": than those spoken of before."""

    how: str

    def holds(self, thing: int, view: View) -> Truth:
        if view.before is None:
            raise Nonsense("larger than what?")
        kind = view.before.kind
        others = [other for other in view.world.things if other != thing and kind.holds(other, view) is not False]
        return every(alike(thing, other, ("size",), self.how, view.world) for other in others) if others else None


@dataclass(frozen=True)
class OfNumber(Predicate):
    """ "(the leftmost) of the three": of all there are, or of those spoken of."""

    number: int

    def holds(self, thing: int, view: View) -> Truth:
        if len(view.world.things) == self.number:
            return True
        if view.topic is None:
            raise Nonsense("of which?")
        values = [view.topic.kind.holds(each, view) for each in view.world.things]
        if None in values or values.count(True) != self.number:
            raise Nonsense("of which?")
        return values[thing]


@dataclass(frozen=True)
class Member(Predicate):
    """ "is the red cube", "is one of the spheres"."""

    whom: NounPhrase

    def holds(self, thing: int, view: View) -> Truth:
        return self.whom.true_of(lambda other: other == thing, view)
