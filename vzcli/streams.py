"""Standard streams that anything can be printed to, whatever the command was started with."""

from __future__ import annotations

import io
import os
import sys

NARROWEST = 20  # columns; tables cannot be laid out in less


def make_usable() -> None:
    """Open closed streams onto nothing, print what an encoding lacks as `\\u…`, ignore an unusable COLUMNS.

    A closed stream would give its number to the next file that is opened, and what libraries print would go there.
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
    """Why what was printed did not arrive, such as a full disk; None if it did."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python tries again at its end, and complains
        return error
    return None


def is_unicode() -> bool:
    """Whether standard output can show every character."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().startswith("utf")
