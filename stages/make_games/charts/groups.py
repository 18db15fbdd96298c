"""Decides which columns of values may share an axis."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from stages.make_games.charts.columns import Column, words_of
from stages.make_games.charts.times import time_places

# The largest ratio between the means of columns that share an axis; and of fractions whose headings name no quantity.
ALIKE, NEAR = 10.0, 4.0
UNSURE = ("rate", "score", "count", "change", "statistic", "energy", "volume", "")  # quantities that come in many units
MOST_PLAIN = 12  # columns whose headings name no quantity: more of them are mixed statistics


def on_one_axis(values: Sequence[Column]) -> Iterator[list[Column]]:
    """Groups of columns that may share an axis: the same unit, and comparable size unless a unit is named."""
    if len(values) > 2 and time_places([column.name for column in values]):
        yield list(values)
        return
    left = list(values)
    plain = len(values) <= MOST_PLAIN and all(column.kind == "|" for column in values)
    while left:
        first = left[0]
        group = [column for column in left if column is first or alike(first, column, plain)]
        left = [column for column in left if column not in group]
        yield from _families(group)


def _families(group: Sequence[Column]) -> Iterator[list[Column]]:
    """Groups of columns whose headings share most of their words, and one group of the others."""
    words = {column.name: set(words_of(column.name).split()) for column in group}
    left, others = list(group), []
    while left:
        own = words[left[0].name]
        family = [c for c in left if 2 * len(own & words[c.name]) >= len(own | words[c.name])]
        left = [column for column in left if column not in family]
        if len(family) > 1:
            yield family
        else:
            others += family
    if others:
        yield others


def alike(one: Column, other: Column, plain: bool) -> bool:
    if one.kind != other.kind:
        return False
    written, what = one.kind.split("|")
    if written and written != "%":
        return True
    if not _comparable(one, other):
        return False
    if written or what not in UNSURE:
        return True
    known = (one.name + other.name).isascii()  # the words that name quantities are English
    return _siblings(one, other) or (plain and known and not what)


def _comparable(one: Column, other: Column) -> bool:
    sizes = [float(c.values.abs().mean() or 0) for c in (one, other) if c.values is not None]  # type: ignore[arg-type]
    whole = [bool((c.values.drop_nulls() % 1 == 0).all()) for c in (one, other) if c.values is not None]
    most = ALIKE if one.kind != "|" or all(whole) else NEAR
    return max(sizes) <= most * min(sizes) and (one.kind != "|" or whole[0] == whole[1])


def _siblings(one: Column, other: Column) -> bool:
    """Whether headings share their first or last word: `actual mean temp` and `actual min temp`."""
    first, second = (re.sub("^(?:number|count|total|no)(?: of)? ", "", words_of(c.name)).split() for c in (one, other))
    return len(first) > 1 and len(second) > 1 and (first[0] == second[0] or first[-1] == second[-1])
