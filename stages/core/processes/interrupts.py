"""Ctrl-C reaches only the process that the user started, and no handler of a library.

A terminal sends Ctrl-C to every process of a command. Libraries install handlers, even for signals that a process
ignores: Mitsuba's cancels the picture and returns half of it, vLLM's ends the engine. A blocked signal reaches no
handler, and threads and child processes inherit the block.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Processes that start in this block never receive Ctrl-C."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def never_swallow() -> None:
    """Repeat a Ctrl-C that Python has swallowed, as it does while a finalizer or a callback of `gc` runs."""
    report = sys.unraisablehook

    def hook(swallowed: sys.UnraisableHookArgs) -> None:
        if issubclass(swallowed.exc_type, KeyboardInterrupt):
            _interrupt_soon()
        else:
            report(swallowed)

    sys.unraisablehook = hook


def spare_polars() -> None:
    """Make Ctrl-C wait while Python runs inside Polars, which may panic if Python code that it calls is interrupted."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _spare_polars)


def _spare_polars(number: int, frame: FrameType | None) -> None:
    inside = frame
    while inside is not None:
        if inside.f_globals.get("__name__", "").partition(".")[0] == "polars":
            _interrupt_soon()
            return
        inside = inside.f_back
    signal.default_int_handler(number, frame)


@contextmanager
def pythons_own() -> Iterator[None]:
    """Python's own answer to Ctrl-C in the block: only with it, asyncio cancels its task instead of breaking off."""
    ours = signal.getsignal(signal.SIGINT) is _spare_polars
    if not ours or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, _spare_polars)


def _interrupt_soon() -> None:
    again = threading.Timer(0.05, _interrupt_main)
    again.daemon = True
    again.start()


def _interrupt_main() -> None:
    """By a real signal, which ends a wait as well."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def answer_at_once(say: Callable[[str], None], after: float = 1.0) -> None:
    """Have `say` tell that Ctrl-C was noticed, if the command has not ended `after` seconds later.

    The main thread may compute for minutes before it can act on it.
    """
    if threading.current_thread() is not threading.main_thread() or signal.set_wakeup_fd(-1) != -1:
        return  # only the main thread gets signals; somebody else wants to know of them
    reading, writing = socket.socketpair()
    writing.setblocking(False)

    def wait() -> None:
        while received := reading.recv(64):
            if signal.SIGINT in received:
                time.sleep(after)
                say("stopping: what runs now ends first, so that nothing is lost")
                return

    threading.Thread(target=wait, name="interrupts", daemon=True).start()
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)


def keep_ignored() -> None:
    """Block the signals that this process ignores from its start, as after `nohup` or a script's `&`.

    Call it before importing anything that installs handlers.
    """
    ignorable = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    signal.pthread_sigmask(signal.SIG_BLOCK, {each for each in ignorable if signal.getsignal(each) == signal.SIG_IGN})
