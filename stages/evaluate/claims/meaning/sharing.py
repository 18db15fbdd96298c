"""What is said of several objects together: that they are alike, or differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from stages.evaluate.claims.meaning.logic import NounPhrase, Statement, Topic, Truth, Unclear, View
from stages.evaluate.claims.meaning.phrases import Group, Only, Quantified, The, Them
from stages.evaluate.claims.meaning.predicates import alike
from stages.evaluate.claims.meaning.quantity import UNIVERSAL, Quantity


@dataclass(frozen=True)
class Share(Statement):
    """That objects are alike, or all different, in some attributes: "the two cubes have the same colour"."""

    subject: NounPhrase
    attributes: tuple[str, ...]
    how: str  # same, different
    strictly: bool = False  # "every object has another colour": each from each

    def holds(self, view: View) -> Truth:
        subject = self.subject.part if isinstance(self.subject, Only) else self.subject
        if isinstance(subject, Group) and subject.word == "and":
            return self._pick(list(subject.parts), [], view)
        if isinstance(subject, Quantified | Them):
            kind = subject.kind(view)
            values = {thing: kind.holds(thing, view) for thing in view.world.things}
            if None in values.values():
                return None
            return self._of_many(subject.quantity, [thing for thing, fit in values.items() if fit], view)
        raise Unclear("who is compared?")

    def topic(self, view: View) -> Topic | None:
        return Topic(self.subject.kind(view))

    def _pick(self, parts: list[NounPhrase], picked: list[int], view: View) -> Truth:
        if not parts:
            return self._all(picked, view)
        if not isinstance(parts[0], The) and not parts[0].single:
            raise Unclear("who is compared?")
        return parts[0].true_of(lambda thing: self._pick(parts[1:], [*picked, thing], view), view)

    def _all(self, things: Sequence[int], view: View) -> Truth:
        pairs = list(combinations(things, 2))
        if not pairs:
            return None
        found = [alike(one, other, self.attributes, self.how, view.world) for one, other in pairs]
        if self.how == "different" and not self.strictly and any(found) and not all(found):
            return None  # "they have different colours": not all the same, or each another?
        return all(found)

    def _of_many(self, quantity: Quantity, things: list[int], view: View) -> Truth:
        if quantity.name in UNIVERSAL:
            wrong = quantity.of and quantity.of != len(things)
            return False if wrong or not things else self._all(things, view)
        if self.how != "same":
            raise Unclear("who is compared?")
        groups = Counter(tuple(view.world.values[thing][name] for name in self.attributes) for thing in things)
        largest = max(groups.values(), default=0)
        if quantity.name == "no two" or quantity.high == 0 or quantity.name == "none of":
            return largest < 2
        if quantity.name in ("plural", "bare plural"):
            return largest >= 2
        if quantity.name not in ("count", "part") or quantity.low < 2:
            raise Unclear("who is compared?")
        if quantity.high >= len(things):
            return largest >= quantity.low
        return True if quantity.low in groups.values() else False if largest < quantity.low else None
