"""Many pairs at once: render processes of one thread each. The number of processes changes no byte."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from itertools import groupby
from multiprocessing import connection
from pathlib import Path
from typing import Any

from stages.core.errors import VzError
from stages.make_games.making import make_pair
from stages.make_games.pair import Pair

MOST_TOGETHER = 100  # pairs of a batch, after which progress is seen; `datasets` writes as many rows to a group
_stop: Any = None  # in a worker: a shared number, not 0 once nobody wants more pairs


def make_all(pairs: Sequence[Pair], work: Path, processes: int, on_made: Callable[[Pair], None]) -> None:
    """Make every pair, in `processes` processes (0: one a core; 1: in this one). The first error ends it."""
    count = min(processes or available_cores(), len(pairs))
    if count <= 1:
        for pair in pairs:
            make_pair(pair, work)
            on_made(pair)
        return
    # Fresh processes, not forks: neither a renderer nor torch survives a fork of a threaded process.
    context = multiprocessing.get_context("spawn")
    stop = context.RawValue("b", 0)  # without a lock, which a killed process might take along
    with ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker, initargs=(stop,)) as pool:
        batches = _batches(pairs, -(-len(pairs) // count))
        waiting: dict[Future[None], Sequence[Pair]] = {pool.submit(_make_batch, each, work): each for each in batches}
        try:
            for done in as_completed(waiting):
                done.result()
                for pair in waiting[done]:
                    on_made(pair)
        except BrokenProcessPool as error:
            raise VzError(
                "a render process was ended from outside, perhaps for want of memory; the same command goes on from "
                "the pairs that are made; give fewer --processes"
            ) from error
        finally:
            stop.value = 1
            pool.shutdown(wait=True, cancel_futures=True)


def _batches(pairs: Sequence[Pair], share: int) -> Iterator[Sequence[Pair]]:
    """What goes to one process at a time: pairs of one batch, but no more than a process' `share` of all."""
    for _, group in groupby(pairs, key=lambda pair: pair.batch):
        together = list(group)
        most = min(share, MOST_TOGETHER)
        for first in range(0, len(together), most):
            yield together[first : first + most]


def _make_batch(pairs: Sequence[Pair], work: Path) -> None:
    """Make the pairs, or as many of them as are wanted: an error elsewhere, or Ctrl-C, ends it early."""
    for pair in pairs:
        if _stop is not None and _stop.value:
            return
        make_pair(pair, work)


def available_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores that this process may use: those it may run on, or as many as a container's `quota` pays for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        most, period = quota.read_text().split()
        return max(1, min(cores, round(int(most) / int(period))))
    except (OSError, ValueError):  # no container, or "max"
        return cores


def _start_worker(stop: Any) -> None:
    global _stop  # as processes get what they share
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and stops us in order
    # The denoiser's package imports torch where it finds it: seconds and memory for nothing in a render process.
    sys.modules.setdefault("torch", None)  # type: ignore[arg-type]
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when the parent is gone, however it went: nobody would ever take our result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
