"""Makes the standard streams safe to print to, however the command was started."""

from __future__ import annotations

import io
import os
import sys

NARROWEST = 20  # columns; tables cannot be laid out in less


def make_usable() -> None:
    """Open closed streams as the null device, print what an encoding lacks as `\\u…`, ignore an unusable COLUMNS.

    Otherwise the next file to be opened would take the number of a closed stream, and libraries would print into it.
    """
    for handle in (0, 1, 2):
        try:
            os.fstat(handle)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    width = os.environ.get("COLUMNS", "")
    if not width.isdecimal() or int(width) < NARROWEST:
        os.environ.pop("COLUMNS", None)


def flushed() -> OSError | None:
    """Why the output could not be written, such as a full disk; None if it was."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python tries again at exit, and complains
        return error
    return None


def is_unicode() -> bool:
    """Whether standard output can show every character."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")
