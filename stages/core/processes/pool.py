"""Render processes: fresh ones of one thread each, which only their parent stops."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from pathlib import Path
from typing import Any, TypeVar

from stages.core.errors import VzError
from stages.core.processes.interrupts import without_interrupts

T = TypeVar("T")
R = TypeVar("R")

_stop: Any = None  # in a worker: a shared number, not 0 once nobody wants more results


def work_through(
    task: Callable[[T], R],
    batches: Iterable[Sequence[T]],
    processes: int,
    on_done: Callable[[Sequence[T], Sequence[R]], None],
) -> None:
    """Apply `task` to every item, a batch to a process at a time; with one process, in this one and item by item.

    `on_done` gets the items and results of a batch as it ends, in any order. The first error ends the work, and so
    does Ctrl-C: the workers finish the items that they have begun.
    """
    if processes <= 1:
        for batch in batches:
            for item in batch:
                on_done([item], [task(item)])
        return
    # Fresh processes, not forks: neither a renderer nor torch survives a fork of a threaded process.
    context = multiprocessing.get_context("spawn")
    stop = context.RawValue("b", 0)  # without a lock, which a killed process might take along
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_start_worker, initargs=(stop,)) as pool:
        try:
            with without_interrupts():
                waiting: dict[Future[list[R]], Sequence[T]] = {
                    pool.submit(_work_on, task, batch): batch for batch in batches
                }
            for done in as_completed(waiting):
                on_done(waiting[done], done.result())
        except BrokenProcessPool as error:
            raise VzError(
                "a render process was killed, perhaps because memory ran out; repeat the command with fewer processes"
            ) from error
        finally:
            stop.value = 1
            pool.shutdown(wait=True, cancel_futures=True)


def available_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores that this process may use: those it may run on, or as many as a container's `quota` pays for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        most, period = quota.read_text().split()
        return max(1, min(cores, round(int(most) / int(period))))
    except (OSError, ValueError):  # no container, or "max"
        return cores


def _work_on(task: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Results of the items, or of as many as are wanted: an error elsewhere, or Ctrl-C, ends it early."""
    results: list[R] = []
    for item in items:
        if _stop is not None and _stop.value:
            break
        results.append(task(item))
    return results


def _start_worker(stop: Any) -> None:
    global _stop  # as processes get what they share
    _stop = stop
    # The denoiser's package imports torch where it finds it: seconds and memory for nothing in a render process.
    sys.modules.setdefault("torch", None)  # type: ignore[arg-type]
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when the parent is gone, however it went: nobody would ever take our result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
