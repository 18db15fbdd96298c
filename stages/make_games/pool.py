"""Many pairs at once: render processes of one thread each. The number of processes changes no byte."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from pathlib import Path

from stages.core.errors import VzError
from stages.make_games.making import make_pair
from stages.make_games.pair import Pair


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
    with ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker) as pool:
        waiting: dict[Future[None], Pair] = {pool.submit(make_pair, pair, work): pair for pair in pairs}
        try:
            for done in as_completed(waiting):
                done.result()
                on_made(waiting[done])
        except BrokenProcessPool as error:
            raise VzError(
                "a render process was ended from outside, perhaps for want of memory; the same command goes on from "
                "the pairs that are made; give fewer --processes"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_worker() -> None:
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
