"""Rust prints the text of a panic itself, before Python sees it as an exception."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from polars.exceptions import PanicException

STDERR = 2
_inside = False  # whether the main thread is inside a block


@contextmanager
def without_panic_text() -> Iterator[None]:
    """Drop the text that a Polars panic prints in the block. Other standard error output appears after the block.

    Holds back standard error only in the main thread and on Linux. Elsewhere, the text stays.
    """
    global _inside
    if _inside or threading.current_thread() is not threading.main_thread() or not hasattr(os, "memfd_create"):
        yield
        return
    _inside = True
    with os.fdopen(os.memfd_create("stderr"), "w+b") as held, os.fdopen(os.dup(STDERR), "wb") as shown:
        os.dup2(held.fileno(), STDERR)
        panicked = False
        try:
            yield
        except PanicException:
            panicked = True
            raise
        finally:
            os.dup2(shown.fileno(), STDERR)
            _inside = False
            _show(held, shown, panicked)


def _show(held: BinaryIO, shown: BinaryIO, panicked: bool) -> None:
    held.seek(0)
    if text := b"" if panicked else held.read():
        shown.write(text)
