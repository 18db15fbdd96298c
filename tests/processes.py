"""Processes of their own for tests, without the seconds that a new Python needs to import everything."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any

# What the server of new processes imports, and nothing else. A test run has one server, which the first test starts.
IMPORTED = ["pytest", "tests.helpers", "stages.iterate", "stages.core.engines.fake", "stages.train.stub", "peft"]
IMPORTED += ["stages.train.training"]


def forked(function: Callable[..., None], *arguments: Any) -> int:
    """Call a function in a new process and return the exit code. The process is a copy of one that only imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    process = context.Process(target=function, args=arguments)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode
