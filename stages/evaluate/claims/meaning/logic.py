"""The ground of meaning: three truth values, the facts of a scene, and what a sentence's parts have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stages.core.clevr.relations import HORIZONTAL

Truth = bool | None  # None: cannot tell
Scope = Callable[[int], Truth]  # what is said of the object with that number


class Unclear(Exception):
    """What is said cannot be decided, whatever the scene; the message says why."""


class Nonsense(Unclear):
    """A reading in which "it" or "they" means nothing: no reading at all, if there is another."""


class SeveralFit(Exception):
    """A definite phrase does not single out one object: try each of `candidates` (none: it names what is not there)."""

    def __init__(self, phrase: NounPhrase, candidates: list[int]) -> None:
        super().__init__(phrase)
        self.phrase, self.candidates = phrase, candidates


def every(values: Iterable[Truth]) -> Truth:
    """Kleene's conjunction; stops at the first that is false."""
    sure: Truth = True
    for value in values:
        if value is False:
            return False
        sure = sure if value else None
    return sure


def some(values: Iterable[Truth]) -> Truth:
    """Kleene's disjunction; stops at the first that is true."""
    return opposite(every(opposite(value) for value in values))


def opposite(value: Truth) -> Truth:
    return None if value is None else not value


def agreed(values: Iterable[Truth]) -> Truth:
    """The value that all share; None where they differ."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


@dataclass(frozen=True)
class World:
    """What a scene says of its objects, by their numbers from 0."""

    values: tuple[Mapping[str, str], ...]  # attribute -> value
    sides: Mapping[str, tuple[frozenset[int], ...]]  # sides["left"][i]: the objects left of object i
    across: tuple[float | None, ...]  # pixel x as a share of the picture's width
    down: tuple[float | None, ...]  # pixel y as a share of its height

    @property
    def things(self) -> range:
        return range(len(self.values))


def world(scene: Mapping[str, Any]) -> World:
    """Read what `scene_json.to_json` writes; a scene without `camera` has no picture halves."""
    camera = scene.get("camera") or {}
    width, height = camera.get("width"), camera.get("height")
    pixels = [item.get("pixel_coords") for item in scene["objects"]]
    return World(
        values=tuple(scene["objects"]),
        sides={side: tuple(map(frozenset, scene["relationships"][side])) for side in HORIZONTAL},
        across=tuple(place[0] / width if place and width else None for place in pixels),
        down=tuple(place[1] / height if place and height else None for place in pixels),
    )


@dataclass(frozen=True)
class Topic:
    """What was spoken of last: the objects of `kind`, and what was said of (some of) them."""

    kind: Predicate
    said: Predicate | None = None
    single: bool = False
    whole: bool = False  # it was said of all of them
    part: bool = False  # it was said of some of them, as something else can be of the others
    partner: Predicate | None = None  # what it was compared to: "the cube is as large as the sphere, and they …"
    own: bool = False  # the subject of the very sentence


@dataclass(frozen=True)
class View:
    """A scene at one point of what is said about it: which object each definite phrase means, what `it` means."""

    world: World
    chosen: Mapping[NounPhrase, int] = field(default_factory=dict)
    topic: Topic | None = None
    noun: Predicate | None = None  # the noun that "one" and "ones" stand for
    before: Topic | None = None  # what was spoken of before this sentence
    said: Predicate | None = None  # what was said last: "and the other is not"
    # Answers found, by the predicate's id (it is kept, lest another get its id) and the object: nested phrases ask
    # the same again and again.
    known: dict[tuple[int, int], tuple[Predicate, Truth]] = field(default_factory=dict, repr=False)
    _views: dict[Predicate, View] = field(default_factory=dict, repr=False)

    def moved(self, **changes: Any) -> View:
        return replace(self, known={}, _views={}, **changes)

    def calling(self, noun: Predicate) -> View:
        """Where "one" means `noun`; the same view each time."""
        if noun not in self._views:
            self._views[noun] = self.moved(noun=noun)
        return self._views[noun]


class Predicate(ABC):
    """What can be true of one object."""

    @abstractmethod
    def holds(self, thing: int, view: View) -> Truth: ...


class NounPhrase(ABC):
    """What a sentence is about: it takes a scope and says whether that holds of the right number of objects."""

    @abstractmethod
    def true_of(self, scope: Scope, view: View, but: int | None = None) -> Truth:
        """`but` is left out of the count: in "left of every cube" nothing has to be left of itself."""

    @abstractmethod
    def kind(self, view: View) -> Predicate:
        """The objects that it is about, whatever their number."""

    @property
    def single(self) -> bool:
        """Whether a later "it" can mean it."""
        return False


class Statement(ABC):
    """What is true of a scene or not."""

    @abstractmethod
    def holds(self, view: View) -> Truth: ...

    def topic(self, view: View) -> Topic | None:
        """What "it" and "they" mean after it; None leaves that as it was."""
        return None


@dataclass(frozen=True)
class Anything(Predicate):
    """ "object", "thing"."""

    def holds(self, thing: int, view: View) -> Truth:
        return True


ANYTHING = Anything()


@dataclass(frozen=True)
class Both(Predicate):
    parts: tuple[Predicate, ...]

    def holds(self, thing: int, view: View) -> Truth:
        return every(part.holds(thing, view) for part in self.parts)


@dataclass(frozen=True)
class Either(Predicate):
    """Any of its parts. `mixed` for "red and blue cubes": some are the one, some the other."""

    parts: tuple[Predicate, ...]
    mixed: bool = False

    def holds(self, thing: int, view: View) -> Truth:
        return some(part.holds(thing, view) for part in self.parts)


@dataclass(frozen=True)
class Not(Predicate):
    part: Predicate

    def holds(self, thing: int, view: View) -> Truth:
        return opposite(self.part.holds(thing, view))
