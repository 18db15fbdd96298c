"""Ctrl-C reaches only the process that the user started, and no library's handler.

A terminal sends Ctrl-C to every process of a command. Libraries install handlers, even for signals that a process
ignores: Mitsuba's cancels rendering and returns half a picture, and vLLM's ends the engine. A blocked signal reaches no
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
    """Repeat a Ctrl-C that Python swallows, as it does while a finalizer or a `gc` callback runs."""
    report = sys.unraisablehook

    def hook(swallowed: sys.UnraisableHookArgs) -> None:
        if issubclass(swallowed.exc_type, KeyboardInterrupt):
            _interrupt_soon()
        else:
            report(swallowed)

    sys.unraisablehook = hook


def spare_polars() -> None:
    """Delay Ctrl-C while Python runs inside Polars, which may panic if an interrupt hits Python code that it calls."""
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
    """Use Python's own Ctrl-C handler in the block: only then does asyncio cancel its task instead of breaking off."""
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
    """Send a real signal, which also ends a wait."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def answer_at_once(say: Callable[[str], None], after: float = 1.0) -> None:
    """Have `say` report a Ctrl-C if the command has not ended `after` seconds later.

    The main thread may compute for minutes before it can act on it.
    """
    if threading.current_thread() is not threading.main_thread() or signal.set_wakeup_fd(-1) != -1:
        return  # only the main thread gets signals, and another handler may already listen for them
    reading, writing = socket.socketpair()
    writing.setblocking(False)

    def wait() -> None:
        while signal.SIGINT not in reading.recv(64):
            pass
        time.sleep(after)
        say("stopping: current work ends first, so that nothing is lost")
        while reading.recv(64):  # later signals write here too, and Python complains if nothing reads them
            pass

    threading.Thread(target=wait, name="interrupts", daemon=True).start()
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)


def keep_ignored() -> None:
    """Block the signals that this process has ignored from the start, as after `nohup` or a script's `&`.

    Call it before importing anything that installs handlers.
    """
    ignorable = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    signal.pthread_sigmask(signal.SIG_BLOCK, {each for each in ignorable if signal.getsignal(each) == signal.SIG_IGN})
