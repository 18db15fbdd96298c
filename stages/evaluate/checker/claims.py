"""Whether a clue's claims are true of a scene. Each method is the meaning of the grammar rule of the same name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lark import Token, Tree

from stages.evaluate.checker.phrases import (
    Choose,
    Node,
    Nonsense,
    NotThere,
    Phrase,
    Phrases,
    Unsure,
    nodes,
    to_int,
    tokens,
    union,
)
from stages.evaluate.checker.scene import Scene, Things

__all__ = ["Claims", "Nonsense", "NotThere", "Unsure"]

_LISTS = ("in_order", "only_kinds", "consists")  # claims that end in a list


class Claims(Phrases):
    """The claims of one reading."""

    def __init__(self, scene: Scene, choose: Choose) -> None:
        super().__init__(scene, choose)
        self._counts_objects = False  # whether the last phrase counted "objects" of any shape

    def start(self, *texts: Node) -> bool:
        return all(self.of(text) for text in texts)

    def fragment(self, adjectives: Node) -> bool:
        """ "Tiny shiny purple." """
        return bool(self.things(adjectives))

    def text(self, *parts: Node | Token) -> bool:
        """All claims hold."""
        before, comma = "", False
        for part in parts:
            if isinstance(part, Token):
                comma = True
                continue
            while part.data == "_ambig":
                part = self.choose(part.children)
            self._set_domain(part, before, comma)
            if not self.of(part):
                return False
            before, comma = str(part.data), False
        return True

    def _set_domain(self, part: Node, before: str, comma: bool) -> None:
        """Text after a colon is about what comes before it, and so may be a list after "three objects, …"."""
        self.last_object = None
        if part.data == "bare" and before in _LISTS:
            raise Nonsense
        if part.data == "text":
            self.domain = self.known().things
        elif part.data == "bare" and comma and self._counts_objects:
            self.domain = self.choose([self.domain, self.known().things])
        elif part.data != "bare":
            self.domain = self.scene.all

    # ---- what exists

    def exists(self, phrase: Node) -> bool:
        found = self._name(phrase)
        noun = next(phrase.find_data("noun"), None)
        self._counts_objects = noun is not None and tokens(noun.children)[0].type in ("THING", "SHAPE")
        return found.holds(self.domain)

    bare = exists

    def _name(self, phrase: Node) -> Phrase:
        self.topic = found = self.phrase(phrase)
        self.named.append(found)
        return found

    def inverted(self, where: Node, *phrases: Node) -> bool:
        """ "Behind the cube there is a sphere." """
        at, found = self.things(where), [self.phrase(node) for node in phrases]
        self.topic = replace(found[0], things=found[0].things & at)
        return all(phrase.holds(at) for phrase in found)

    def lacks(self, group: Node) -> bool:
        return not self.things(group)

    nothing = lacks

    def only_kinds(self, *phrases: Node) -> bool:
        """ "I see only cubes and a sphere." """
        if any(next(phrase.find_data("exactly"), None) for phrase in phrases):
            raise Nonsense
        found = [self.phrase(node) for node in phrases]
        self.topic = Phrase.all_of(union(phrase.things for phrase in found))
        return self.topic.things == self.domain and all(phrase.holds(self.domain) for phrase in found)

    def complete(self) -> bool:
        """ "… and that's it." """
        return self.domain == union(phrase.things for phrase in self.named)

    def in_order(self, *parts: Node | Token) -> bool:
        """From left to right, perhaps with other objects in between."""
        line = iter(sorted(self.scene.all, key=lambda x: len(self.scene.beside(x, "left"))))
        return all(any(x in group for x in line) for group in [self.things(part) for part in nodes(parts)])

    # ---- what is true of the objects

    def holds(self, subject: Node, *predicates: Node) -> bool:
        phrase, of = self.phrase(subject), self.all_of(*predicates)
        if phrase.is_total and subject.data == "counted" and _has(predicates, "is_not"):
            raise Unsure("'all are not' has two meanings")
        if phrase.is_total and len(phrase.things) > 1 and _has(predicates, "some"):
            raise Nonsense
        return self._said(phrase, of)

    def _said(self, phrase: Phrase, of: Things) -> bool:
        everything = phrase.is_total or phrase.low < 1
        self.topic = Phrase.all_of(phrase.things) if everything else replace(phrase, things=phrase.things & of)
        return phrase.holds(of)

    def share(self, subject: Node, predicate: Node) -> bool:
        """ "two of them are red", "both small" """
        of = self.things(predicate)
        if subject.data != "quantity":
            return self.phrase(subject).holds(of)
        return self.portion(subject, self.together()).holds(of)

    def consists(self, subject: Node, *phrases: Node) -> bool:
        """ "The red objects are a cube and a sphere." """
        whole, found = self.phrase(subject), [self.phrase(node) for node in phrases]
        covered = union(phrase.things for phrase in found)
        return whole.is_total and whole.things <= covered and all(phrase.holds(whole.things) for phrase in found)

    def only_holds(self, subject: Node, predicate: Node) -> bool:
        """ "Only cubes are red." """
        of = self.things(predicate)
        return bool(of) and of <= self.things(subject)

    def rest(self, predicate: Node) -> bool:
        return self.scene.all - self.known().things <= self.things(predicate)

    def except_for(self, subject: Node, predicate: Node, exception: Node) -> bool:
        """ "Everything is large except for one cube." """
        whole, of, left_out = self.phrase(subject), self.things(predicate), self.phrase(exception)
        if not whole.is_total:
            raise Unsure("an exception to a claim that is not about all")
        return left_out.holds(whole.things) and whole.things - of == left_out.things & whole.things

    def but_for(self, exception: Node, claim: Node) -> bool:
        """ "Apart from one sphere, I see only cubes." """
        if claim.data == "holds":
            subject, predicate = nodes(claim.children)
            return self.except_for(subject, predicate, exception)
        left_out = self.phrase(exception)
        self.domain = self.domain - left_out.things
        return left_out.holds(self.scene.all) and bool(self.of(claim))

    # ---- what the objects have in common

    def alike(self, group: Node, kinds: Node, *different: Node) -> bool:
        things = self._several(group)
        same = all(len(self.scene.values(things, kind)) == 1 for kind in self.of(kinds))
        return same and all(len(self.scene.values(things, kind)) > 1 for node in different for kind in self.of(node))

    def unlike(self, group: Node, kinds: Node) -> bool:
        things = self._several(group)
        return all(len(self.scene.values(things, kind)) > 1 for kind in self.of(kinds))

    def varied(self, group: Node, kinds: Node) -> bool:
        """ "three cubes of different colors": two of them may be alike."""
        return self._name(group).holds(self.scene.all) and bool(self.of(kinds))

    def each_different(self, kinds: Node) -> bool:
        things = self.known().things
        return all(len(self.scene.values(things, kind)) == len(things) for kind in self.of(kinds))

    def different(self, *parts: Node | Token) -> bool:
        (kinds,), numbers = nodes(parts), [to_int(x) for x in tokens(parts)]
        counts = [len(self.scene.values(self.known().things, kind)) for kind in self.of(kinds)]
        if numbers:
            return all(count == numbers[0] for count in counts)
        return self.each_different(kinds) or (min(counts) > 1 and bool(self.choose([True, False])))

    def none_alike(self, *parts: Node | Token) -> bool:
        """ "No two of them have the same color." """
        *whole, kinds = nodes(parts)
        if whole:
            self.topic = Phrase.all_of(self.things(whole[0]))
        return [to_int(x) for x in tokens(parts)] == [2] and self.each_different(kinds)

    def _several(self, group: Node) -> Things:
        self.topic = phrase = self.phrase(group)
        if not phrase.is_total or len(phrase.things) < 2:
            raise Nonsense
        return phrase.things

    def kinds(self, *kinds: Token) -> list[str]:
        return [kind.type.lower() for kind in kinds]

    # ---- counts

    def more(self, *groups: Node) -> bool:
        one, other = self._sizes(groups)
        return one > other

    def fewer(self, *groups: Node) -> bool:
        one, other = self._sizes(groups)
        return one < other

    def equal(self, *parts: Node | Token) -> bool:
        """As many of one group as of the other, or "three of each"."""
        one, other = self._sizes(nodes(parts))
        return one == other and all(to_int(number) == one for number in tokens(parts))

    def _sizes(self, groups: Sequence[Node]) -> tuple[int, int]:
        one, *others = [self.things(group) for group in groups]
        return len(one), len(union(others))


def _has(trees: Sequence[Node], rule: str) -> bool:
    return any(isinstance(tree, Tree) and next(tree.find_data(rule), None) is not None for tree in trees)
