"""Prefix trees: rows that begin alike become one flat sequence, in which each shared beginning appears once.

The rows of an update are sorted by their tokens. In this order, a row shares the most with the row before it. So a tree
is a list of rows, with the number of tokens that each row shares with the one before. The flat sequence contains the
other tokens of each row, one row after another. A token's *path* consists of the tokens of its row up to itself: what
it would see if its row stood alone. Pure functions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

MULTIPLE = 8  # lengths of batches are multiples of it, as GPU attention kernels require of masks


@dataclass(frozen=True)
class Line:
    """The tokens of a row as numbers, which are equal if the model gets equal inputs. Pictures have numbers too."""

    keys: tuple[int, ...]  # of prompt and answer, without the answer's last token, which nothing follows
    prompt: int  # tokens of the prompt
    pictures: range  # the tokens from the first picture to the last, which are shared together or not at all


@dataclass(frozen=True)
class Branch:
    """A row in a tree."""

    row: int  # its place in the kept order
    shared: int  # tokens that it shares with the branch before it
    length: int  # all tokens of the row

    @property
    def new(self) -> int:
        return self.length - self.shared


@dataclass(frozen=True)
class Tree:
    """Rows that share beginnings, in sorted order. The first shares nothing."""

    branches: tuple[Branch, ...]

    @property
    def length(self) -> int:
        """Tokens of the flat sequence."""
        return sum(branch.new for branch in self.branches)

    def paths(self) -> list[list[int]]:
        """For each row, the places of its tokens in the flat sequence."""
        found: list[list[int]] = []
        path: list[int] = []
        used = 0
        for branch in self.branches:
            path = [*path[: branch.shared], *range(used, used + branch.new)]
            used += branch.new
            found.append(path)
        return found

    def seen_until(self) -> list[int]:
        """For each token, the place of the first later token that does not see it.

        The tokens that see a token follow it without a gap: token q sees token k if k ≤ q < seen_until[k].
        """
        until = [self.length] * self.length
        path: list[int] = []
        used = 0
        for branch in self.branches:
            for place in path[branch.shared :]:
                until[place] = used
            path = [*path[: branch.shared], *range(used, used + branch.new)]
            used += branch.new
        return until


Pack = tuple[Tree, ...]  # the trees of one batch
# How rows are computed: as trees that lie in one sequence, as a batch of padded trees, or as plain rows.
Form = Literal["sequence", "batch", "rows"]
FORMS: tuple[Form, ...] = ("sequence", "batch", "rows")  # the fastest first


def common(one: Line, other: Line) -> int:
    """How many tokens two rows share at their beginning."""
    shorter = min(len(one.keys), len(other.keys))
    different = (place for place in range(shorter) if one.keys[place] != other.keys[place])
    shared = next(different, shorter)
    inside = other.pictures.start < shared < other.pictures.stop
    return other.pictures.start if inside else shared


def in_order(rows: Sequence[int], lines: Sequence[Line]) -> list[Branch]:
    """`rows`, which are places in `lines`, in sorted order, each with the tokens that it shares with the one before."""
    ordered = sorted(rows, key=lambda row: (lines[row].keys, row))
    shared = [0, *(common(lines[one], lines[other]) for one, other in pairwise(ordered))]
    return [Branch(row, same, len(lines[row].keys)) for row, same in zip(ordered, shared, strict=False)]


def cut(branches: Sequence[Branch], budget: int, least: float = 0.0) -> list[Tree]:
    """Trees of consecutive branches. A tree of several rows is at most `budget` tokens long.

    A tree also ends before a row that shares less than a share `least` of its tokens with the row before it.
    """
    trees: list[list[Branch]] = []
    used = 0
    for branch in branches:
        if not trees or padded(used + branch.new) > budget or branch.shared < least * branch.length:
            trees.append([Branch(branch.row, 0, branch.length)])
            used = branch.length
        else:
            trees[-1].append(branch)
            used += branch.new
    return [Tree(tuple(each)) for each in trees]


def sequences(branches: Sequence[Branch], budget: int, parts: int = 1) -> list[Pack]:
    """All rows as trees that are computed one at a time, each as one sequence of at most `budget` tokens.

    Their number becomes a multiple of `parts` if there are enough rows. Then their lengths are evened out. The longest
    comes first.
    """
    if not branches:
        return []
    most = -(-len(cut(branches, budget)) // parts) * parts
    budgets = range(1, budget + 1)
    even = bisect_left(budgets, True, key=lambda tokens: len(cut(branches, tokens)) <= most)
    trees = cut(branches, budgets[even])
    return [(tree,) for tree in sorted(trees, key=lambda tree: -tree.length)]


def single(rows: Sequence[int], lines: Sequence[Line]) -> list[Tree]:
    """A tree for each row, for models that cannot share."""
    return [Tree((Branch(row, 0, len(lines[row].keys)),)) for row in rows]


def part(tree: Tree, first: int, count: int) -> Tree:
    """Some of the branches of a tree."""
    head, *others = tree.branches[first : first + count]
    return Tree((Branch(head.row, 0, head.length), *others))


def single_branches(trees: Sequence[Tree]) -> Pack:
    """The rows of `trees` in the same order, each as its own tree."""
    return tuple(Tree((Branch(each.row, 0, each.length),)) for tree in trees for each in tree.branches)


def padded(length: int) -> int:
    """The length of a batch whose longest tree has `length` tokens."""
    return -(-length // MULTIPLE) * MULTIPLE


def pack(trees: Sequence[Tree], budget: int, parts: int = 1) -> list[Pack]:
    """Trees of similar length together: trees × padded length ≤ `budget` for each pack, unless it is a single tree.

    The number of packs becomes a multiple of `parts` if there are enough trees. Then the packs are evened out, so that
    the longest is as short as possible. The longest comes first.
    """
    ordered = sorted(trees, key=lambda tree: -tree.length)
    alone: list[Pack] = [(tree,) for tree in ordered if padded(tree.length) > budget]
    rest = ordered[len(alone) :]
    if not rest:
        return alone
    least = len(alone) + len(_packed(rest, budget))
    most = -(-least // parts) * parts - len(alone)
    budgets = range(padded(rest[0].length), budget + 1)
    lowest = bisect_left(budgets, True, key=lambda tokens: len(_packed(rest, tokens)) <= most)
    return [*alone, *_packed(rest, budgets[lowest])]


def _packed(ordered: Sequence[Tree], budget: int) -> list[Pack]:
    """Packs of consecutive trees. The first tree of a pack is its longest."""
    found: list[Pack] = []
    start = 0
    while start < len(ordered):
        end = start + budget // padded(ordered[start].length)
        found.append(tuple(ordered[start:end]))
        start = end
    return found
