"""What sentences say of a scene, and how a text of several is weighed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from stages.evaluate.claims.meaning.logic import (
    ANYTHING,
    Anything,
    NounPhrase,
    Predicate,
    SeveralFit,
    Statement,
    Topic,
    Truth,
    Unclear,
    View,
    every,
    opposite,
    some,
)
from stages.evaluate.claims.meaning.phrases import It, Quantified, The, Them
from stages.evaluate.claims.meaning.predicates import Echo, Is, Like, Nominal
from stages.evaluate.claims.meaning.quantity import UNIVERSAL, Quantity

MOST_FORKS = 200


@dataclass(frozen=True)
class Says(Statement):
    """A predicate of a noun phrase; `Anything` for "there is"."""

    subject: NounPhrase
    predicate: Predicate = ANYTHING
    inverted: bool = False  # the predicate came first: "behind it is a cube"

    def holds(self, view: View) -> Truth:
        topic = self._topic(view, None)
        own = replace(topic, own=True) if topic else view.topic
        inner = (
            view if self.inverted else view.moved(topic=own, before=view.topic, noun=_noun(self.subject) or view.noun)
        )
        return self.subject.true_of(lambda thing: self.predicate.holds(thing, inner), view)

    def topic(self, view: View) -> Topic | None:
        return self._topic(view, None if isinstance(self.predicate, Anything) else self.predicate)

    def _topic(self, view: View, said: Predicate | None) -> Topic | None:
        if isinstance(self.subject, It):
            return None
        try:
            quantity = getattr(self.subject, "quantity", None)
            whole = quantity is not None and quantity.name in UNIVERSAL
            whom = self.predicate.whom if isinstance(self.predicate, Like) else None
            partner = whom.kind(view) if isinstance(whom, The) else None
            part = isinstance(self.subject, Them) and self.subject.partly
            return Topic(self.subject.kind(view), said, self.subject.single, whole, part, partner)
        except Unclear:
            return None


def _noun(phrase: NounPhrase) -> Predicate | None:
    what = getattr(phrase, "what", None)
    return what.head if isinstance(what, Nominal) and not isinstance(what.head, Echo) else None


@dataclass(frozen=True)
class Untold(Statement):
    """What a scene does not decide."""

    def holds(self, view: View) -> Truth:
        return None


@dataclass(frozen=True)
class Denied(Statement):
    part: Statement

    def holds(self, view: View) -> Truth:
        return opposite(self.part.holds(view))


@dataclass(frozen=True)
class Text(Statement):
    """All its parts, one after the other, each with the topic that the one before left."""

    parts: tuple[Statement, ...]
    words: tuple[str, ...] = field(default=(), compare=False)  # of each part

    def holds(self, view: View) -> Truth:
        return every(truth for truth in self._each(view))

    def _each(self, view: View) -> list[Truth]:
        found: list[Truth] = []
        for part in self.parts:
            found.append(part.holds(view))
            if found[-1] is False:
                break
            view = _after(part, view)
        return found


def _after(part: Statement, view: View) -> View:
    """What "it", "one" and the like mean once `part` was said."""
    topic = part.topic(view) or view.topic
    if not isinstance(part, Says):
        return view.moved(topic=topic)
    said = view.said if isinstance(part.predicate, Anything) else part.predicate
    return view.moved(topic=topic, noun=_noun(part.subject) or view.noun, said=said)


@dataclass(frozen=True)
class OneOf(Statement):
    """ "Either the cube is red or the sphere is"."""

    parts: tuple[Statement, ...]

    def holds(self, view: View) -> Truth:
        found = []
        for part in self.parts:
            found.append(part.holds(view))
            view = _after(part, view)
        return some(found)


@dataclass(frozen=True)
class InRow(Statement):
    """ "From left to right: …": each of `parts` has the next one on that side."""

    side: str
    parts: tuple[NounPhrase, ...]

    def holds(self, view: View) -> Truth:
        return self._from(None, self.parts, view)

    def _from(self, last: int | None, parts: tuple[NounPhrase, ...], view: View) -> Truth:
        if not parts:
            return True

        def follows(thing: int) -> Truth:
            right = last is None or thing in view.world.sides[self.side][last]
            return self._from(thing, parts[1:], view) if right else False

        kind = parts[0].kind(view)
        return some(every((kind.holds(thing, view), follows(thing))) for thing in view.world.things)


@dataclass(frozen=True)
class Complete(Statement):
    """That nothing else is there than `phrases`; `firmly` if it was said, else cannot tell when there is more."""

    phrases: tuple[NounPhrase, ...]
    firmly: bool = True

    def holds(self, view: View) -> Truth:
        kinds = [phrase.kind(view) for phrase in self.phrases]
        covered = every(some(kind.holds(thing, view) for kind in kinds) for thing in view.world.things)
        single = every(self._one_at_most(phrase, view) for phrase in self.phrases if phrase.single)
        truth = every((covered, single))
        return truth if truth or self.firmly else None

    @staticmethod
    def _one_at_most(phrase: NounPhrase, view: View) -> Truth:
        return Quantified(Quantity("count", 0, 1), phrase.kind(view)).true_of(lambda thing: True, view)


@dataclass(frozen=True)
class Compared(Statement):
    """Two counts: "more cubes than spheres"; `test` of the counts is named by `how`."""

    one: Predicate
    other: Predicate
    how: str
    number: int = 0

    def holds(self, view: View) -> Truth:
        counts = []
        for kind in (self.one, self.other):
            values = [kind.holds(thing, view.calling(_head(self.one))) for thing in view.world.things]
            if None in values:
                return None
            counts.append(values.count(True))
        return TESTS[self.how](counts[0], counts[1], self.number)


def _head(kind: Predicate) -> Predicate:
    return kind.head if isinstance(kind, Nominal) and kind.head is not None else Anything()


TESTS: dict[str, Callable[[int, int, int], bool]] = {
    "more": lambda a, b, n: a > b,
    "fewer": lambda a, b, n: a < b,
    "equal": lambda a, b, n: a == b,
    "unequal": lambda a, b, n: a != b,
    "at least": lambda a, b, n: a >= b,
    "times": lambda a, b, n: a == n * b > 0,
    "more by": lambda a, b, n: a - b == n,
    "fewer by": lambda a, b, n: b - a == n,
}


@dataclass(frozen=True)
class Kinds(Statement):
    """How many values of an attribute the objects of a kind have: "three different colours"."""

    quantity: Quantity
    attribute: str
    what: Predicate = ANYTHING

    def holds(self, view: View) -> Truth:
        held = [(thing, self.what.holds(thing, view)) for thing in view.world.things]
        if any(truth is None for _, truth in held):
            return None
        number = len({view.world.values[thing][self.attribute] for thing, truth in held if truth})
        return self.quantity.fits((number, number), (number, number))


@dataclass(frozen=True)
class Commonest(Statement):
    """ "The most common colour is red"; of several equally common: cannot tell."""

    attribute: str
    value: str
    how: str = "more"

    def holds(self, view: View) -> Truth:
        counts = Counter(values[self.attribute] for values in view.world.values)
        best = max(counts.values()) if self.how == "more" else min(counts.values())
        first = [value for value, count in counts.items() if count == best]
        return (self.value == first[0]) if len(first) == 1 else None if self.value in first else False


def weigh(statement: Statement, view: View) -> Truth:
    """Its truth whichever of several fitting objects each "the" means; None where that matters."""
    budget = [MOST_FORKS]

    def settle(view: View) -> Truth:
        budget[0] -= 1
        if budget[0] < 0:
            raise Unclear("too many things fit")
        try:
            return statement.holds(view)
        except SeveralFit as fork:
            if not fork.candidates:
                return False
            found = {settle(view.moved(chosen={**view.chosen, fork.phrase: each})) for each in fork.candidates}
            if len(found) > 1:
                raise Unclear(f"several fit 'the {named(fork.phrase)}', and it matters which one is meant") from None
            return found.pop()

    return settle(view)


def fault(text: Text, view: View) -> str:
    """The words of the first part that makes a false text false; of all where it is another for each "the"."""
    for number, words in enumerate(text.words, 1):
        with suppress(Unclear):
            if weigh(Text(text.parts[:number]), view) is False:
                return words
    return ", ".join(dict.fromkeys(text.words))


def named(phrase: NounPhrase) -> str:
    """The values that a phrase names, and its noun."""
    what = getattr(phrase, "what", None)
    if not isinstance(what, Nominal):
        return "…"
    values = [part.value for part in (*what.before, what.head) if isinstance(part, Is)]
    return " ".join([*values, *([] if isinstance(what.head, Is) else ["object"])])
