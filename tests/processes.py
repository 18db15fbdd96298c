"""Processes of their own for tests, without the seconds that a new Python needs to import everything."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pathlib
import shutil
import signal
from collections.abc import Callable
from typing import Any

# What the server of new processes imports, and nothing else. A test run has one server, which the first test starts.
IMPORTED = ["pytest", "tests.helpers", "stages.iterate", "stages.core.engines.fake", "stages.train.stub", "peft"]
IMPORTED += ["stages.train.training"]


def forked(function: Callable[..., None], *arguments: Any) -> int:
    """Call a function in a new process and return the exit code. The process is a copy of one that only imported.

    It has this process's environment variables, not those that the server had when the first test started it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    process = context.Process(target=_call, args=(dict(os.environ), function, arguments))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def _call(environment: dict[str, str], function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    function(*arguments)


def kill_at_change(
    number: int, *, syncs: bool = True, group: bool = False, seen: Callable[[], None] = lambda: None
) -> None:
    """Have this process, or its group, killed at its n-th change of the disk. Each one before calls `seen`.

    Every publication of a file or folder goes through a renaming or a removal; `syncs` counts what puts it on disk, too.
    """
    count = itertools.count(1)

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if next(count) == number:
                os.kill(0 if group else os.getpid(), signal.SIGKILL)
            seen()
            return function(*args, **options)

        return call

    os.replace, shutil.rmtree, pathlib.Path.rename = map(counted, (os.replace, shutil.rmtree, pathlib.Path.rename))  # type: ignore[method-assign, assignment]
    if syncs:
        os.fsync, pathlib.Path.unlink = map(counted, (os.fsync, pathlib.Path.unlink))  # type: ignore[method-assign, assignment]
