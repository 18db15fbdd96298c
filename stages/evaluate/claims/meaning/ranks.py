"""What superlatives say of an object among others: "leftmost", "largest", "the second from the left"."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from stages.evaluate.claims.meaning.logic import Truth, World, agreed

OPPOSITE = {"left": "right", "right": "left", "front": "behind", "behind": "front"}


class Rank(ABC):
    """What a superlative says of an object among others."""

    @abstractmethod
    def leads(self, thing: int, among: Sequence[int], world: World) -> Truth: ...


@dataclass(frozen=True)
class Outermost(Rank):
    """ "leftmost", "closest": none of the others lies on that side."""

    side: str

    def leads(self, thing: int, among: Sequence[int], world: World) -> Truth:
        return not world.sides[self.side][thing] & set(among)


@dataclass(frozen=True)
class Sized(Rank):
    """ "largest", "smallest", by the sizes' values."""

    value: str

    def leads(self, thing: int, among: Sequence[int], world: World) -> Truth:
        has = {world.values[each]["size"] for each in [thing, *among]}
        if len(has) == 1 and among:
            return None  # of equals, nobody calls one the largest
        return world.values[thing]["size"] == self.value or not among


@dataclass(frozen=True)
class Nth(Rank):
    """ "the second object from the left"; None where objects are neither left nor right of each other."""

    number: int
    side: str

    def leads(self, thing: int, among: Sequence[int], world: World) -> Truth:
        others = set(among) - {thing}
        before = len(world.sides[self.side][thing] & others)
        ties = len(others) - before - len(world.sides[OPPOSITE[self.side]][thing] & others)
        return agreed(each == self.number - 1 for each in range(before, before + ties + 1))
