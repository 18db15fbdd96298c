"""Pools of worker processes that only their parent stops."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from stages.core.errors import VzError
from stages.core.processes.inherited import end_with_parent
from stages.core.processes.interrupts import without_interrupts

T = TypeVar("T")
R = TypeVar("R")

_stop: Any = None  # in a worker: a shared number, nonzero once no more results are wanted


def work_through(
    task: Callable[[T], R],
    batches: Iterable[Sequence[T]],
    processes: int,
    on_done: Callable[[Sequence[T], Sequence[R]], None],
) -> None:
    """Apply `task` to every item, in batches spread over `processes`. With one process: here, item by item.

    `on_done` gets the items and results of each finished batch, in any order. The first error, or Ctrl-C, ends the
    work: workers finish the items that they have begun.
    """
    if processes <= 1:
        for batch in batches:
            for item in batch:
                on_done([item], [task(item)])
        return
    # Not forks: neither a renderer nor torch survives a fork of a process with threads.
    context = multiprocessing.get_context("spawn")
    stop = context.RawValue("b", 0)  # without a lock, which a killed process might hold
    with ProcessPoolExecutor(processes, context, initializer=_start_worker, initargs=(stop, os.getpid())) as pool:
        try:
            with without_interrupts():
                waiting: dict[Future[list[R]], Sequence[T]] = {
                    pool.submit(_work_on, task, batch): batch for batch in batches
                }
            for done in as_completed(waiting):
                on_done(waiting[done], done.result())
        except BrokenProcessPool as error:
            raise VzError(
                "a worker process was killed, perhaps because memory ran out; repeat the command with fewer processes"
            ) from error
        finally:
            stop.value = 1
            pool.shutdown(wait=True, cancel_futures=True)


def available_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Number of cores that this process may use, within a container's `quota` if there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        most, period = quota.read_text().split()
        return max(1, min(cores, round(int(most) / int(period))))
    except (OSError, ValueError):  # no quota
        return cores


def _work_on(task: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Results of the items. An error elsewhere, or Ctrl-C, ends the batch early."""
    results: list[R] = []
    for item in items:
        if _stop is not None and _stop.value:
            break
        results.append(task(item))
    return results


def _start_worker(stop: Any, parent: int) -> None:
    global _stop
    _stop = stop
    # The denoiser's package imports torch if it is installed, which costs each worker seconds and memory for nothing.
    sys.modules.setdefault("torch", None)  # type: ignore[arg-type]
    end_with_parent(parent)
