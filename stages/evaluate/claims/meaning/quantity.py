"""Quantities: how many of the objects of a kind something has to hold of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stages.evaluate.claims.meaning.logic import Truth, agreed

ENDLESS = 10**9


@dataclass(frozen=True)
class Quantity:
    """A quantity by its `name` in `SHARES`, with its bounds where it has any, and of how many where that is said."""

    name: str
    low: int = 0
    high: int = ENDLESS
    of: int = 0

    def fits(self, hits: tuple[int, int], total: tuple[int, int]) -> Truth:
        """Whether `hits` of `total` objects are the right number; both as least and most that they may be."""
        return agreed(
            SHARES[self.name](self, k, n)
            for n in range(total[0], total[1] + 1)
            for k in range(min(hits[0], n), min(hits[1], n) + 1)
        )


def exactly(number: int) -> Quantity:
    return Quantity("count", number, number)


def at_least(number: int) -> Quantity:
    return Quantity("count", number)


def at_most(number: int) -> Quantity:
    return Quantity("count", 0, number)


def _count(q: Quantity, k: int, n: int) -> Truth:
    return q.low <= k <= q.high


def _part(q: Quantity, k: int, n: int) -> Truth:
    """ "two of the (three) cubes": there have to be more cubes than one."""
    if n == 0 or (q.of and n != q.of):
        return False
    return None if n == 1 and q.low <= k <= q.high else q.low <= k <= q.high


def _plural(q: Quantity, k: int, n: int) -> Truth:
    """ "red cubes": whether one is enough is open."""
    return None if k == 1 else k > 1


def _some_of(q: Quantity, k: int, n: int) -> Truth:
    return False if k == 0 else None if k in (1, n) else True


def _many(q: Quantity, k: int, n: int) -> Truth:
    return False if k < 2 else None


def _any(q: Quantity, k: int, n: int) -> Truth:
    """True where "a" and "every" both are, false where neither is: "not any" is safe, "any" seldom."""
    return False if k == 0 else True if k == n else None


def _each(q: Quantity, k: int, n: int) -> Truth:
    return None if n == 0 else k == n


def _all(q: Quantity, k: int, n: int) -> Truth:
    """ "all cubes" of none or of only one: nobody speaks so."""
    return None if n == 0 or (n == 1 and k == 1) else k == n


def _the(q: Quantity, k: int, n: int) -> Truth:
    return False if n == 0 else _all(q, k, n)


def _whole(q: Quantity, k: int, n: int) -> Truth:
    """ "both", "the three", "all three", "the only one"."""
    return n == q.of and k == n


def _none_of(q: Quantity, k: int, n: int) -> Truth:
    return False if n == 0 or (q.of and n != q.of) else k == 0


def _no_two(q: Quantity, k: int, n: int) -> Truth:
    return k < 2


def _not_all(q: Quantity, k: int, n: int) -> Truth:
    return None if k == 0 else k < n


def _all_but(q: Quantity, k: int, n: int) -> Truth:
    return n > q.low and k == n - q.low


def _half(q: Quantity, k: int, n: int) -> Truth:
    return None if n == 0 else 2 * k == n


def _most(q: Quantity, k: int, n: int) -> Truth:
    return None if n == 0 else 2 * k > n


def _less_than_half(q: Quantity, k: int, n: int) -> Truth:
    return None if n == 0 else 2 * k < n


def _odd(q: Quantity, k: int, n: int) -> Truth:
    return k % 2 == 1


def _even(q: Quantity, k: int, n: int) -> Truth:
    return None if k == 0 else k % 2 == 0


SHARES: dict[str, Callable[[Quantity, int, int], Truth]] = {
    "count": _count,
    "another": _count,
    "bare": _count,  # "red cube" without a word before it: at least one
    "part": _part,
    "plural": _plural,
    "bare plural": _plural,
    "some of": _some_of,
    "many": _many,
    "any": _any,
    "each": _each,
    "all": _all,
    "the": _the,
    "whole": _whole,
    "none of": _none_of,
    "no two": _no_two,
    "not all": _not_all,
    "all but": _all_but,
    "half": _half,
    "most": _most,
    "less than half": _less_than_half,
    "odd": _odd,
    "even": _even,
}
UNIVERSAL = ("each", "all", "the", "whole")
BARE = Quantity("bare", 1)
BARE_PLURAL = Quantity("bare plural")
NO = exactly(0)
ANOTHER_ONE = Quantity("another", 1)
