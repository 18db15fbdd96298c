"""What noun phrases mean: "two red cubes", "the cube", "a cube and a sphere", "it", "the others"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from stages.evaluate.claims.meaning.logic import (
    Both,
    Either,
    Nonsense,
    Not,
    NounPhrase,
    Predicate,
    Scope,
    SeveralFit,
    Truth,
    Unclear,
    View,
    agreed,
    every,
    opposite,
    some,
)
from stages.evaluate.claims.meaning.predicates import Member, Nominal
from stages.evaluate.claims.meaning.quantity import ANOTHER_ONE, BARE, Quantity, at_least, exactly

AT_LEAST_ONE = (BARE, at_least(1), ANOTHER_ONE)
SINGLE = (*AT_LEAST_ONE, exactly(1), Quantity("whole", of=1))


@dataclass(frozen=True)
class Quantified(NounPhrase):
    """A quantity of the objects of a kind."""

    quantity: Quantity
    what: Predicate

    def true_of(self, scope: Scope, view: View, but: int | None = None) -> Truth:
        kinds = {thing: self.what.holds(thing, view) for thing in view.world.things if thing != but}
        meets = {thing: every((kind, scope(thing))) for thing, kind in kinds.items() if kind is not False}
        return self.quantity.fits(_bounds(meets.values()), _bounds(kinds.values()))

    def kind(self, view: View) -> Predicate:
        return self.what

    @property
    def single(self) -> bool:
        return self.quantity in SINGLE


def _bounds(values: Iterable[Truth]) -> tuple[int, int]:
    """How many are true at least and at most."""
    found = list(values)
    return found.count(True), len(found) - found.count(False)


@dataclass(frozen=True)
class The(NounPhrase):
    """ "the red cube": one object; where several fit, `SeveralFit` asks to try each."""

    what: Predicate

    def true_of(self, scope: Scope, view: View, but: int | None = None) -> Truth:
        referent = self.referent(view)
        if (
            but == referent
            and self in view.chosen
            and view.topic
            and view.topic.own
            and view.topic.kind == Member(self)
        ):
            raise Unclear("which ones are meant?")  # "the cube is behind the cube"
        return scope(referent)

    def referent(self, view: View) -> int:
        if self in view.chosen:
            return view.chosen[self]
        fits = {thing: self.what.holds(thing, view) for thing in view.world.things}
        candidates = [thing for thing, fit in fits.items() if fit is not False]
        if any(fits[thing] is None for thing in candidates):
            raise Unclear("which one is meant is vague")
        if len(candidates) != 1:
            raise SeveralFit(self, candidates)
        return candidates[0]

    def kind(self, view: View) -> Predicate:
        return Member(self)

    @property
    def single(self) -> bool:
        return True


@dataclass(frozen=True)
class Group(NounPhrase):
    """Several phrases: "A and B", "A or B"."""

    parts: tuple[NounPhrase, ...]
    word: str  # and, or

    def true_of(self, scope: Scope, view: View, but: int | None = None) -> Truth:
        if self.word == "or":
            return some(part.true_of(scope, view, but) for part in self.parts)
        truth = every(part.true_of(scope, view, but) for part in self.parts)
        return self._apart(scope, view, but) if truth else truth

    def _apart(self, scope: Scope, view: View, but: int | None) -> Truth:
        """Whether each "a" can be another object: "a cube and a red thing" are hardly one."""
        single = [part for part in self.parts if isinstance(part, Quantified) and part.quantity in AT_LEAST_ONE]
        fits = [
            {
                thing
                for thing in view.world.things
                if thing != but and every((part.what.holds(thing, view), scope(thing)))
            }
            for part in single
        ]
        if _distinct(sorted(fits, key=len), frozenset()):
            return True
        return False if any(part.quantity == ANOTHER_ONE for part in single) else None

    def kind(self, view: View) -> Predicate:
        return Either(tuple(part.kind(view) for part in self.parts))


def _distinct(choices: list[set[int]], used: frozenset[int]) -> bool:
    """Whether one can be chosen from each set, and none twice."""
    if not choices:
        return True
    return any(_distinct(choices[1:], used | {each}) for each in choices[0] - used)


@dataclass(frozen=True)
class Neither(NounPhrase):
    """ "neither the cube nor the sphere"."""

    parts: tuple[NounPhrase, ...]

    def true_of(self, scope: Scope, view: View, but: int | None = None) -> Truth:
        return every(opposite(part.true_of(scope, view, but)) for part in self.parts)

    def kind(self, view: View) -> Predicate:
        return Either(tuple(part.kind(view) for part in self.parts))


@dataclass(frozen=True)
class Only(NounPhrase):
    """ "only cubes", "only the red cube": and nothing else."""

    part: NounPhrase

    def true_of(self, scope: Scope, view: View, but: int | None = None) -> Truth:
        kind = self.part.kind(view)
        others = (thing for thing in view.world.things if thing != but)
        nothing_else = every(some((kind.holds(thing, view), opposite(scope(thing)))) for thing in others)
        holds = self.part.true_of(scope, view, but)
        return every((nothing_else, holds))

    def kind(self, view: View) -> Predicate:
        return self.part.kind(view)

    @property
    def single(self) -> bool:
        return self.part.single


@dataclass(frozen=True)
class Excepting(NounPhrase):
    """ "everything except the cube". That the exception differs is said only between the lines: else cannot tell."""

    part: Quantified
    exception: NounPhrase

    def true_of(self, scope: Scope, view: View, but: int | None = None) -> Truth:
        negative = self.part.quantity.high == 0
        rest = Quantified(self.part.quantity, Both((self.part.what, Not(self.exception.kind(view)))))
        differs = self.exception.true_of(lambda x: scope(x) if negative else opposite(scope(x)), view)
        return every((rest.true_of(scope, view, but), True if differs else None))

    def kind(self, view: View) -> Predicate:
        return self.part.kind(view)


@dataclass(frozen=True)
class Among(Predicate):
    """One of the objects that a phrase is about."""

    phrase: NounPhrase

    def holds(self, thing: int, view: View) -> Truth:
        return self.phrase.kind(view).holds(thing, view)


@dataclass(frozen=True)
class It(NounPhrase):
    """The one object that was spoken of."""

    def _meant(self, view: View) -> The:
        if view.topic is None or not view.topic.single:
            raise Nonsense("'it': what is meant?")
        return The(_spoken_of(view))

    def true_of(self, scope: Scope, view: View, but: int | None = None) -> Truth:
        meant = self._meant(view)
        if but is not None and view.topic is not None and view.topic.own and meant.referent(view) == but:
            # No subject is left of itself: what was spoken of before is meant.
            return self.true_of(scope, view.moved(topic=view.before), but)
        return meant.true_of(scope, view, but)

    def kind(self, view: View) -> Predicate:
        return Member(self._meant(view))

    @property
    def single(self) -> bool:
        return True


def _spoken_of(view: View) -> Predicate:
    """The objects that were spoken of, or those of them that something was said of."""
    if view.topic is None:
        raise Nonsense("'they': who is meant?")
    return view.topic.kind if view.topic.said is None else Both((view.topic.kind, view.topic.said))


@dataclass(frozen=True)
class Them(NounPhrase):
    """A quantity of the objects that were spoken of: "they", "both", "one of them"."""

    quantity: Quantity
    partly: bool = False  # of all that were spoken of, not of those that something was said of: "one is …, one is …"

    def true_of(self, scope: Scope, view: View, but: int | None = None) -> Truth:
        kind = self.kind(view)
        number = _bounds(kind.holds(thing, view) for thing in view.world.things)
        if self.quantity.name == "whole" and number != (self.quantity.of,) * 2:
            raise Unclear("how many are meant?")
        truth = Quantified(self.quantity, kind).true_of(scope, view, but)
        said = self._said_of(kind, view) if self.partly else None
        if said is None or not some(every((said.holds(x, view), scope(x))) for x in view.world.things):
            return truth
        # "Two cubes are metal. One is red.": of the cubes or of the metal ones?
        return agreed((truth, Quantified(self.quantity, said).true_of(scope, view, but)))

    def _said_of(self, kind: Predicate, view: View) -> Predicate | None:
        return Both((kind, view.topic.said)) if view.topic and view.topic.said and not view.topic.part else None

    def kind(self, view: View) -> Predicate:
        if view.topic is not None and view.topic.single and view.topic.partner is not None:
            return Either((view.topic.kind, view.topic.partner))
        if view.topic is None or (view.topic.single and not (self.partly and view.topic.said is not None)):
            raise Nonsense("'they': who is meant?")
        return view.topic.kind if self.partly else _spoken_of(view)


@dataclass(frozen=True)
class Others(NounPhrase):
    """ "the others", "the other cube", "everything else": without those spoken of.

    In "the cubes are larger than all others" that is without all cubes, in "a cube is" without that cube.
    Without a noun, "the other" is of the same objects that "one" was of, and "the rest" of all.
    """

    quantity: Quantity
    what: Nominal | None
    besides: NounPhrase | None = None  # "everything else is left of the cube": the cube too

    def true_of(self, scope: Scope, view: View, but: int | None = None) -> Truth:
        if but is not None:
            what = self.what or Nominal()
            alone = view.topic is None or view.topic.single
            kind: Predicate = what if alone or view.topic is None else Both((what, Not(view.topic.kind)))
            return Quantified(self.quantity, kind).true_of(scope, view, but)
        return Quantified(self.quantity, self.kind(view)).true_of(scope, view)

    def kind(self, view: View) -> Predicate:
        topic = view.topic
        if self.besides is not None:
            known = [self.besides.kind(view), *([] if topic is None else [_spoken_of(view)])]
            return Both((self.what or Nominal(), Not(Either(tuple(known)))))
        if topic is None:
            raise Nonsense("'other': than what?")
        if self.what is None and topic.said is not None and not (topic.whole or isinstance(topic.kind, Member)):
            return Both((topic.kind, Not(topic.said)))
        return Both((self.what or Nominal(), Not(_spoken_of(view))))


def with_head(phrase: NounPhrase, donor: NounPhrase) -> NounPhrase:
    """`phrase` with the noun of `donor` where it left out its own: "two red cubes and one blue"."""
    mine, its = getattr(phrase, "what", None), getattr(donor, "what", None)
    if isinstance(phrase, Quantified | The) and isinstance(mine, Nominal) and isinstance(its, Nominal):
        return replace(phrase, what=mine.with_head(its))
    return phrase
