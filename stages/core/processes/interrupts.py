"""Ctrl-C reaches only the process that the user started, and no handler of a library.

A terminal sends Ctrl-C to every process of a command. Libraries install handlers, even for signals that a process
ignores: Mitsuba's cancels the picture and returns half of it, vLLM's ends the engine. A blocked signal reaches no
handler, and threads and child processes inherit the block.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Processes that start in this block never receive Ctrl-C."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def keep_ignored() -> None:
    """Block the signals that this process ignores from its start, as after `nohup` or a script's `&`.

    Call it before importing anything that installs handlers.
    """
    ignorable = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    signal.pthread_sigmask(signal.SIG_BLOCK, {each for each in ignorable if signal.getsignal(each) == signal.SIG_IGN})
