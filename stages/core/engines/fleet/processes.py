"""Workers in processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import Any

from stages.core.engines.fleet.host import EngineHost
from stages.core.engines.fleet.worker import Reply, Worker
from stages.core.errors import require
from stages.core.processes.interrupts import without_interrupts
from stages.core.recipe.schema import Recipe

_host = EngineHost()  # of this process, if it is a worker


class ProcessWorker(Worker):
    """A pool of one process. Python starts processes for us, carries tasks, and notices their end.

    The process lives while our end of a pipe, its lifeline, is open: so it is gone when we close it, whatever it
    computes, and when we are gone ourselves, however we went.
    """

    died = (BrokenProcessPool,)
    at_once = False

    def __init__(self, gpu: str | None) -> None:
        self._gpu = gpu
        self._pool: ProcessPoolExecutor | None = None
        self._lifeline: Connection | None = None

    def start(self) -> Future[str]:
        # A fresh process, not a fork: torch does not survive a fork of a threaded process.
        context = multiprocessing.get_context("spawn")
        theirs, self._lifeline = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(1, context, initializer=_start, initargs=(theirs, self._gpu))
        with without_interrupts():
            return self._pool.submit(_where)

    def call(self, task: str, *arguments: Any) -> Future[Reply]:
        if self._pool is None:
            raise BrokenProcessPool("it is not running")
        return self._pool.submit(_call, task, *arguments)

    def stop(self) -> None:
        if self._pool is None or self._lifeline is None:
            return
        self._lifeline.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = self._lifeline = None


def process_workers(recipe: Recipe) -> list[ProcessWorker]:
    """`executor.workers` of them, spread over the GPUs where there are any."""
    gpus = _gpus() if recipe.rollout.engine == "transformers" and recipe.model.device != "cpu" else []
    count = recipe.rollout.executor.workers
    return [ProcessWorker(gpus[number % len(gpus)] if gpus else None) for number in range(count)]


def _gpus() -> list[str]:
    """Names of the GPUs that we may use, as CUDA_VISIBLE_DEVICES has them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip()]
    return [str(number) for number in range(require("torch", "train").cuda.device_count())]


def _start(lifeline: Connection, gpu: str | None) -> None:
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # before torch is imported


def _end_with(lifeline: Connection) -> None:
    lifeline.poll(None)  # nothing is ever sent, so this returns when the other end is closed
    os._exit(1)


def _where() -> str:
    return f"process {os.getpid()}"


def _call(task: str, *arguments: Any) -> Reply:
    return _host.call(task, *arguments).result()
