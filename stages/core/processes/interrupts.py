"""Who hears Ctrl-C: the process that the user started, and no library in its place.

A terminal sends Ctrl-C to every process of a command. Libraries install handlers of their own (Mitsuba's cancels the
picture and returns half of it; that of vLLM's engine ends the engine), even for signals that a process ignores. A
blocked signal reaches no handler, and threads and child processes inherit the block.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Processes started in this block never receive Ctrl-C, from their first instruction on."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def keep_ignored() -> None:
    """Block the signals that this process was started to ignore, as `nohup` and a script's `&` do.

    Call it before anything is imported that installs handlers.
    """
    given_up = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    signal.pthread_sigmask(signal.SIG_BLOCK, {each for each in given_up if signal.getsignal(each) == signal.SIG_IGN})
