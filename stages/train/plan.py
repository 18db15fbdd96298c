"""Which rows train in which update, process and micro-batch, and at which learning rate. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.core.errors import InputError
from stages.core.recipe.train import Train

if TYPE_CHECKING:
    from stages.train.rows import Row


@dataclass(frozen=True)
class MicroBatch:
    """The rows that one process computes at once in one accumulation step of one update."""

    update: int  # from 0 within this call
    rows: tuple[int, ...]  # places in the kept order; empty for a process that has nothing left to do
    size: int  # rows with padding; equal on all processes, because they communicate in each step


@dataclass(frozen=True)
class UpdateSize:
    """What the means of an update divide by, over all processes."""

    rows: int  # that train, without anchors; at least 1, so that no mean divides by 0
    anchors: int
    tokens: int  # of the rows that train; at least 1
    micro_batches: int  # that these rows fill
    longest: int  # tokens of the longest answer allowed


def size_of(rows: Sequence[Row], micro_batch: int, longest: int) -> UpdateSize:
    """The size of an update of these rows."""
    learning = [row for row in rows if not row.is_anchor]
    tokens = sum(len(row.completion_ids) for row in learning)
    count = max(1, len(learning))
    return UpdateSize(count, len(rows) - len(learning), max(1, tokens), -(-count // micro_batch), longest)


def updates_of(rows: int, rows_per_update: int | None) -> list[range]:
    """Consecutive slices of the kept order, each row once. The last slice may be short; it trains as it is."""
    size = rows_per_update or max(rows, 1)
    return [range(start, min(start + size, rows)) for start in range(0, rows, size)]


def micro_batches(updates: Sequence[range], size: int, processes: int, rank: int) -> list[MicroBatch]:
    """The work of process `rank`. In each step every process gets a micro-batch of the same size."""
    return [
        MicroBatch(number, tuple(update[first : first + size]), min(size, len(update) - start))
        for number, update in enumerate(updates)
        for start in range(0, len(update), size * processes)
        for first in [start + rank * size]
    ]


def steps_per_update(updates: Sequence[range], size: int, processes: int) -> int:
    """Accumulation steps of a full update; only the last update may have fewer."""
    return math.ceil(len(updates[0]) / (size * processes))


def total_updates(recipe: int | None, planned: int | None, carried: int | None, done: int, now: int) -> int:
    """The length of the schedule in updates: the recipe's, else the planned one, else the state's, else up to now."""
    return recipe or planned or carried or done + now


def check_within_schedule(total: int, done: int, now: int, train: Train, *, planned: bool, where: str) -> list[str]:
    """Warnings about updates beyond a falling schedule; `InputError` if the recipe fixes the schedule's length.

    A run's own estimate (`planned`) may be too short, since it counts rows not yet played. Then the last rate is held.
    """
    if train.schedule == "constant" or done + now <= total:
        return []
    if planned:
        return [f"update {done + now} is beyond the {total} planned; the schedule's last learning rate is held"]
    raise InputError(
        f"{where}: {done} updates are done and {now} more are asked for, but the {train.schedule} schedule ends after "
        f"{total}; raise train.total_updates (the schedule is then computed anew from here)"
    )


def rate(update: int, total: int, train: Train) -> float:
    """Share of the peak learning rate in update number `update` (from 0) of `total`; never 0.

    Warm-up: (k + 1) / W for the first W = ceil(warmup × total) updates. Then, with x = (k − W) / (total − W):
    cosine (1 + cos πx) / 2, linear 1 − x, constant 1. Beyond the end the last value is held.
    """
    warm = math.ceil(round(train.warmup * total, 9))
    if update < warm:
        return (update + 1) / warm
    if train.schedule == "constant" or total <= warm:
        return 1.0
    share = (min(update, total - 1) - warm) / (total - warm)
    return 0.5 * (1 + math.cos(math.pi * share)) if train.schedule == "cosine" else 1 - share
