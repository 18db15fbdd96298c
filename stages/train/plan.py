"""Which rows train in which update, process and micro-batch, and at which learning rate. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stages.core.errors import InputError


@dataclass(frozen=True)
class MicroBatch:
    """The rows one process computes at once in one accumulation step of one update."""

    update: int  # from 0 within this call
    rows: tuple[int, ...]  # places in the kept order; empty for a process that has nothing left to do
    size: int  # rows with padding; equal on all processes, whose collective operations must fit


def updates_of(rows: int, rows_per_update: int | None) -> list[range]:
    """Consecutive slices of the kept order, each row once; the last may be short and is trained as it is."""
    size = rows_per_update or max(rows, 1)
    return [range(start, min(start + size, rows)) for start in range(0, rows, size)]


def micro_batches(updates: Sequence[range], size: int, processes: int, rank: int) -> list[MicroBatch]:
    """The work of process `rank`. Every process gets equally many micro-batches of equal size in each step."""
    mine = []
    for number, update in enumerate(updates):
        for start in range(update.start, update.stop, size * processes):
            first = start + rank * size
            rows = tuple(range(min(first, update.stop), min(first + size, update.stop)))
            mine.append(MicroBatch(number, rows, min(size, update.stop - start)))
    return mine


def steps_per_update(updates: Sequence[range], size: int, processes: int) -> int:
    """Accumulation steps of a full update; only the last update may have fewer."""
    return math.ceil(len(updates[0]) / (size * processes))


def total_updates(recipe: int | None, planned: int | None, carried: int | None, done: int, now: int) -> int:
    """Updates the schedule spans: the recipe's, else those planned, else the state's, else as many as there will be."""
    return recipe or planned or carried or done + now


def check_within_schedule(total: int, done: int, now: int, schedule: str, *, planned: bool, where: str) -> list[str]:
    """Warnings about updates beyond a falling schedule; `InputError` where somebody fixed its length.

    A run's own estimate (`planned`) may be off, since it counts rows not yet played: then the last rate is held.
    """
    if schedule == "constant" or done + now <= total:
        return []
    if planned:
        return [f"update {done + now} is beyond the {total} planned; the schedule's last learning rate is held"]
    raise InputError(
        f"{where}: {done} updates are done and {now} more are asked for, but the {schedule} schedule ends after "
        f"{total}; raise train.total_updates (the schedule is then computed anew from here)"
    )


def rate(update: int, total: int, warmup: float, schedule: str) -> float:
    """Share of the peak learning rate in update number `update` (from 0) of `total`; never 0.

    Warm-up: (k + 1) / W for the first W = ceil(warmup × total) updates. Then, with x = (k − W) / (total − W):
    cosine (1 + cos πx) / 2, linear 1 − x, constant 1. Beyond the end the last value is held.
    """
    warm = math.ceil(round(warmup * total, 9))
    if update < warm:
        return (update + 1) / warm
    if schedule == "constant" or total <= warm:
        return 1.0
    share = (min(update, total - 1) - warm) / (total - warm)
    return 0.5 * (1 + math.cos(math.pi * share)) if schedule == "cosine" else 1 - share
