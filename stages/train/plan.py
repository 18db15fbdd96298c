"""Plans which rows train in which update, process and micro-batch, and at which learning rate. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.core.errors import InputError
from stages.core.recipe.train import Train
from stages.train.tree import Form, Line, Pack, cut, in_order, pack, padded, sequences, single

if TYPE_CHECKING:
    from stages.train.rows import Row


# The part of its tokens that a row must share in a batch of padded trees, where each tree costs its length squared.
WORTH = 0.4


@dataclass(frozen=True)
class MicroBatch:
    """The trees that one process computes at once in one accumulation step of one update."""

    update: int  # from 0 within this call
    trees: Pack
    counts: bool = True  # false for a process that has nothing left: it computes, but its results do not count

    @property
    def rows(self) -> tuple[int, ...]:
        """The places of its rows in the kept order; none if it does not count."""
        return tuple(branch.row for tree in self.trees for branch in tree.branches) if self.counts else ()


@dataclass(frozen=True)
class UpdateSize:
    """What the means of an update divide by, over all processes."""

    rows: int  # that train, without anchors and rows outside the game; at least 1, so that no mean divides by 0
    anchors: int
    tokens: int  # of the rows that train; at least 1
    micro_batches: int  # with rows that train; at least 1
    longest: int  # tokens of the longest answer allowed
    outside: int = 0  # rows outside the game


def updates_of(rows: int, rows_per_update: int | None, outside: int = 0) -> list[list[int]]:
    """The rows of each update by their places: consecutive slices of the kept order, each row once.

    The last slice may be short; it trains as it is. Each update also gets `outside` rows, which come after all others.
    """
    size = rows_per_update or max(rows, 1)
    kept = [range(start, min(start + size, rows)) for start in range(0, rows, size)]
    added = [range(rows + number * outside, rows + (number + 1) * outside) for number in range(len(kept))]
    return [[*own, *more] for own, more in zip(kept, added, strict=True)]


def packs_of(
    updates: Sequence[Sequence[int]], lines: Sequence[Line], budget: int, processes: int, form: Form
) -> list[list[Pack]]:
    """The packs of each update, over all processes."""
    return [_packs(update, lines, budget, processes, form) for update in updates]


def _packs(rows: Sequence[int], lines: Sequence[Line], budget: int, processes: int, form: Form) -> list[Pack]:
    match form:
        case "sequence":
            return sequences(in_order(rows, lines), budget, processes)
        case "batch":
            return pack(cut(in_order(rows, lines), budget, WORTH), budget, processes)
        case "rows":
            return pack(single(rows, lines), budget, processes)


def size_of(rows: Sequence[Row], packs: Sequence[Pack], longest: int) -> UpdateSize:
    """The size of an update that computes `packs`. `rows` are the call's rows."""
    computed = [[rows[branch.row] for tree in pack for branch in tree.branches] for pack in packs]
    learning = [[row for row in each if row.learns] for each in computed]
    return UpdateSize(
        rows=max(1, sum(map(len, learning))),
        anchors=sum(row.is_anchor for each in computed for row in each),
        tokens=max(1, sum(len(row.completion_ids) for each in learning for row in each)),
        micro_batches=max(1, sum(map(bool, learning))),
        longest=longest,
        outside=sum(row.is_outside for each in computed for row in each),
    )


def micro_batches(packs: Sequence[Sequence[Pack]], processes: int, rank: int) -> list[MicroBatch]:
    """The work of process `rank`. All processes have the same number of micro-batches in an update.

    Packs of similar size run in the same step. A process that has none left in the last step repeats the smallest.
    """
    found = []
    for number, update in enumerate(packs):
        for step, start in enumerate(range(0, len(update), processes)):
            place = start + (rank if step % 2 == 0 else processes - 1 - rank)
            counts = place < len(update)
            found.append(MicroBatch(number, update[place if counts else -1], counts))
    return found


def work_of(packs: Sequence[Pack]) -> dict[str, int]:
    """Tokens of an update: of single rows, of its trees, and of its batches with padding."""
    trees = [tree for pack in packs for tree in pack]
    return {
        "row_tokens": sum(branch.length for tree in trees for branch in tree.branches),
        "tree_tokens": sum(tree.length for tree in trees),
        "batch_tokens": sum(len(pack) * padded(pack[0].length) for pack in packs),
    }


def total_updates(recipe: int | None, planned: int | None, carried: int | None, done: int, now: int) -> int:
    """The length of the schedule in updates: the recipe's, else the planned one, else the state's, else up to now."""
    return recipe or planned or carried or done + now


def check_within_schedule(total: int, done: int, now: int, train: Train, *, planned: bool, where: str) -> list[str]:
    """Warnings about updates beyond a falling schedule; `InputError` if the recipe fixes the schedule's length.

    A run's own estimate (`planned`) may be too short, since it counts rows not yet played. Then the last rate stays.
    """
    if train.schedule == "constant" or done + now <= total:
        return []
    if planned:
        return [f"update {done + now} is beyond the {total} planned; the schedule's last learning rate stays"]
    raise InputError(
        f"{where}: {done} updates are done and {now} more are asked for, but the {train.schedule} schedule ends after "
        f"{total}; raise train.total_updates (vz then recomputes the schedule from here)"
    )


def rate(update: int, total: int, train: Train) -> float:
    """Share of the peak learning rate in update number `update` (from 0) of `total`; never 0.

    Warm-up: (k + 1) / W for the first W = ceil(warmup × total) updates. Then, with x = (k − W) / (total − W):
    cosine (1 + cos πx) / 2, linear 1 − x, constant 1. Beyond the end, the last value stays.
    """
    warm = math.ceil(round(train.warmup * total, 9))
    if update < warm:
        return (update + 1) / warm
    if train.schedule == "constant" or total <= warm:
        return 1.0
    share = (min(update, total - 1) - warm) / (total - warm)
    return 0.5 * (1 + math.cos(math.pi * share)) if train.schedule == "cosine" else 1 - share
