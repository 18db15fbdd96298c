"""The meaning of phrases in a scene. Each method is the meaning of the grammar rule of the same name.

A noun phrase means a `Phrase`; anything else that describes objects means the set of these objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lark import Token, Tree

from stages.evaluate.checker.scene import Scene, Things
from stages.evaluate.checker.words import NUMBERS

Node = Tree[Token]
Choose = Callable[[Sequence[Any]], Any]
Bounds = tuple[float, float]

_VALUES = {
    **{name: ("shape", name.lower()) for name in ("CUBE", "SPHERE", "CYLINDER")},
    **{name: ("material", name.lower()) for name in ("METAL", "RUBBER")},
    **{name: ("size", name.lower()) for name in ("LARGE", "SMALL")},
    "ROUND": ("shape", "sphere"),
}
_EDGES = {"LEFT": "leftmost", "RIGHT": "rightmost", "FRONT": "frontmost", "BACK": "hindmost"}
_MANY = 1000  # more objects than any scene has


class Unsure(Exception):
    """A reading is neither clearly true nor clearly false, so the checker does not judge the clue."""


class Nonsense(Exception):
    """A reading that nobody means. The other readings decide."""


class NotThere(Exception):
    """The clue mentions "the red cube", but none exists: the clue is false."""


@dataclass(frozen=True)
class Phrase:
    """At least `low` and at most `high` of `things`."""

    things: Things
    low: float = 1
    high: float = _MANY

    @classmethod
    def all_of(cls, things: Things) -> Phrase:
        return cls(things, len(things), len(things))

    @property
    def is_total(self) -> bool:
        """Whether the phrase means all of its things."""
        return self.low == len(self.things)

    def holds(self, of: Things) -> bool:
        """Whether `of` contains as many of its things as the phrase says."""
        return self.low <= len(self.things & of) <= self.high


class Phrases:
    """The phrases of one reading. `choose` picks one of several meanings; the caller tries all of them."""

    def __init__(self, scene: Scene, choose: Choose) -> None:
        self.scene = scene
        self.choose = choose
        self.domain = scene.all  # what the clue is about: all objects, or those named before a colon
        self.topic: Phrase | None = None  # what "it", "they" and "of them" mean
        self.named: list[Phrase] = []  # what the clue said exists
        self.last_object: Phrase | None = None  # what the last relation in this claim referred to

    def of(self, node: Node) -> Any:
        """The meaning of a node, by its rule."""
        if node.data == "_ambig":
            return self.of(self.choose(node.children))
        parts = [part for part in node.children if node.data == "text" or not _is_comma(part)]
        return getattr(self, node.data)(*parts)

    def things(self, node: Node) -> Things:
        """The objects that a node describes, or that its noun phrase is about."""
        found: Things | Phrase = self.of(node)
        return found.things if isinstance(found, Phrase) else found

    def phrase(self, node: Node) -> Phrase:
        found: Phrase = self.of(node)
        return found

    def known(self) -> Phrase:
        if self.topic is None:
            raise Nonsense  # "it" without anything before
        return self.topic

    def together(self) -> Things:
        """What "both" and "of them" mean: the topic if it is several objects, otherwise all objects listed so far."""
        topic = self.known()
        if topic.low >= 2:
            return topic.things
        if len(self.named) < 2 or not all(phrase.is_total for phrase in self.named):
            raise Unsure("it is not clear which objects it means")
        return union(phrase.things for phrase in self.named)

    # ---- noun phrases

    def counted(self, quantity: Node, group: Node) -> Phrase:
        return self.portion(quantity, self.things(group))

    def part(self, quantity: Node, whole: Node) -> Phrase:
        return self.portion(quantity, self.things(whole))

    def portion(self, quantity: Node, things: Things) -> Phrase:
        kind = quantity.children[0]
        assert isinstance(kind, Tree)
        return Phrase(things, *_bounds(str(kind.data), [to_int(x) for x in tokens(kind.children)], len(things)))

    def indefinite(self, group: Node) -> Phrase:
        """ "red cube": one or more; "red cubes": perhaps more than one."""
        return Phrase(self.things(group), self.choose([1, 2]) if _is_plural(group) else 1)

    def definite(self, *parts: Node | Token) -> Phrase:
        """ "the cubes", "the two cubes": all of them; "the red cube": the only one, or any of several."""
        things = self._counted_things(parts)
        one = not tokens(parts) and not _is_plural(nodes(parts)[0])
        return Phrase.all_of(frozenset([self.choose(sorted(things))]) if one else things)

    def the_only(self, *parts: Node | Token) -> Phrase:
        things = self._counted_things(parts)
        if len(things) > 1 and not tokens(parts) and not _is_plural(nodes(parts)[0]):
            raise NotThere
        return Phrase.all_of(things)

    def _counted_things(self, parts: Sequence[Node | Token]) -> Things:
        """The things of a group. `NotThere` if it is empty, or the number before it is wrong."""
        things = self.things(nodes(parts)[0])
        if not things or any(to_int(number) != len(things) for number in tokens(parts)):
            raise NotThere
        return things

    def everything(self) -> Phrase:
        return Phrase.all_of(self.domain)

    def pronoun(self, word: Token) -> Phrase:
        if word != "it":
            things = self.together()
            if word == "both" and len(things) != 2:
                raise Unsure("it is not clear what 'both' means")
            return Phrase.all_of(things)
        if self.known().low != 1:
            raise Unsure("it is not clear what 'it' means")
        return self.known()

    def sum(self, *phrases: Node) -> Phrase:
        """ "the cube and the sphere" """
        found = [self.phrase(node) for node in phrases]
        if not all(phrase.is_total for phrase in found):
            raise Nonsense
        return Phrase.all_of(union(phrase.things for phrase in found))

    # ---- the objects that words describe

    def group(self, *parts: Node | Token) -> Things:
        """ "leftmost large cube behind a sphere": the extreme comes last."""
        things = self.domain.intersection(*map(self.things, nodes(parts)))
        return self.scene.extreme(things, str(tokens(parts)[0])) if tokens(parts) else things

    def noun(self, name: Token) -> Things:
        return self._described(name) if name.type in _VALUES else self.scene.all

    def adjectives(self, *parts: Node | Token) -> Things:
        names = tokens(parts)
        attributes = [_VALUES.get(name.type, ("color", ""))[0] for name in names]
        if len(set(attributes)) < len(attributes):
            raise Unsure("says two things about one attribute")
        return self.scene.all.intersection(*map(self._described, names), *map(self.things, nodes(parts)))

    def either(self, *names: Token) -> Things:
        return union(map(self._described, names))

    def _described(self, name: Token) -> Things:
        return self.scene.with_value(*_VALUES.get(name.type, ("color", name.type.lower())))

    def quality(self, adjectives: Node, *_: Token) -> Things:
        return self.things(adjectives)

    relative = quality

    def all_of(self, *predicates: Node) -> Things:
        return self.scene.all.intersection(*map(self.things, predicates))

    def is_not(self, predicate: Node) -> Things:
        return self.scene.all - self.things(predicate)

    # ---- objects in a relation to others

    def same_as(self, kinds: Node, *phrase: Node) -> Things:
        names, value = self.of(kinds), self.scene.value
        return self._related(self._than(phrase), lambda x, y: all(value(x, name) == value(y, name) for name in names))

    def larger(self, *phrase: Node) -> Things:
        return self._related(self._than(phrase), self.scene.larger)

    def smaller(self, *phrase: Node) -> Things:
        return self._related(self._than(phrase), lambda x, y: self.scene.larger(y, x))

    def _than(self, phrase: Sequence[Node]) -> Phrase:
        return self.phrase(phrase[0]) if phrase else self.known()

    def where(self, *parts: Node) -> Things:
        """ "behind and left of the cube". A second "it" in a claim means what the first relation referred to."""
        *sides, phrase = parts
        other = self.last_object
        if other is None or phrase.data != "pronoun":
            self.last_object = other = self.phrase(phrase)
        names = [str(self.of(side)) for side in sides]
        return self._related(other, lambda x, y: all(x in self.scene.beside(y, name) for name in names))

    def beyond_all(self, side: Node, *_: Token) -> Things:
        """ "left of everything else" """
        name = str(self.of(side))
        return frozenset(
            x for x in self.scene.all if all(x in self.scene.beside(y, name) for y in self.scene.all - {x})
        )

    def _related(self, phrase: Phrase, related: Callable[[int, int], bool]) -> Things:
        """The objects related to as many of the phrase's things as it says."""
        found = {x: frozenset(y for y in phrase.things if y != x and related(x, y)) for x in self.scene.all}
        return frozenset(x for x, ys in found.items() if phrase.holds(ys))

    def between(self, *phrases: Node) -> Things:
        """Between two objects, both from left to right and from front to back."""
        ends = [self.things(node) for node in phrases]
        if any(len(things) != 1 for things in ends):
            raise Unsure("it is not clear which two objects it is between")
        (x,), (y,) = ends
        lies = [
            self._from_to(*sides, x, y) | self._from_to(*sides, y, x)
            for sides in (("left", "right"), ("front", "behind"))
        ]
        return lies[0] & lies[1]

    def _from_to(self, one_side: str, other_side: str, x: int, y: int) -> Things:
        return self.scene.beside(x, one_side) & self.scene.beside(y, other_side)

    def side(self, word: Token) -> str:
        return word.type.lower()

    # ---- objects at a place in the picture

    def edge(self, word: Token) -> Things:
        return self.scene.extreme(self.scene.all, _EDGES[word.type])

    def half(self, word: Token) -> Things:
        found = self.scene.in_half(word.type.lower())
        if found is None:
            raise Unsure("the scene does not give the picture's width")
        return found

    def on_side(self, word: Token) -> Things:
        """ "on the left": in the left half, or left of all others."""
        found: Things = self.choose([self.half, self.edge])(word)
        return found


def nodes(parts: Sequence[Node | Token]) -> list[Node]:
    return [part for part in parts if isinstance(part, Tree)]


def tokens(parts: Sequence[Node | Token]) -> list[Token]:
    return [part for part in parts if isinstance(part, Token)]


def union(groups: Any) -> Things:
    return frozenset().union(*groups)


def to_int(number: Token) -> int:
    return NUMBERS[number] if number in NUMBERS else int(number)


def _is_comma(part: Node | Token) -> bool:
    return isinstance(part, Token) and part.type == "COMMA"


def _is_plural(group: Node) -> bool:
    noun = next(group.find_data("noun"), None)
    return noun is not None and str(noun.children[0]).endswith("s")


def _bounds(kind: str, numbers: Sequence[int], total: int) -> Bounds:
    """The least and greatest number of `total` things that a quantity means."""
    number = numbers[0] if numbers else total
    expected = {"both": 2, "neither": 2, "every": number}.get(kind, total)
    if total != expected or (not total and kind in ("every", "most", "half_of", "not_all")):
        raise NotThere
    return {
        "some": (1, _MANY),
        "exactly": (number, number),
        "at_least": (number, _MANY),
        "at_most": (0, number),
        "over": (number + 1, _MANY),
        "under": (0, number - 1),
        "none": (0, 0),
        "neither": (0, 0),
        "every": (total, total),
        "both": (total, total),
        "most": (total // 2 + 1, _MANY),
        "half_of": (total / 2, total / 2),
        "not_all": (0, total - 1),
    }[kind]
