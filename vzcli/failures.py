"""Turns each failure into one line with a remedy, and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

STANDARD_OUTPUT = "standard output"  # named if the error names no file and the command has no --out


def explained(error: BaseException, words: Sequence[str]) -> tuple[str, int]:
    """The message and the exit code of an error. `words` are the command's arguments; some may name folders."""
    from stages.core.errors import VzError

    while isinstance(error, BaseExceptionGroup):  # games fail as a group; the first error says why
        error = error.exceptions[0]
    error = _known(error, words)
    if isinstance(error, VzError):
        return str(error), error.exit_code
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}", 1
    problem = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{problem} (an error inside vz; --debug shows where)", 1


def is_interrupt(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind the error: asyncio's cancellation, or what other code made of the interrupt.

    An error with a clear message of its own, such as a full disk while finished work is saved, counts as itself.
    """
    from asyncio import CancelledError

    from stages.core.errors import VzError

    if isinstance(error, CancelledError):
        return True
    if isinstance(error, (VzError, OSError)):
        return False
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _known(error: BaseException, words: Sequence[str]) -> BaseException:
    """The cause of the error, if it is a damaged file, a full disk or too little memory. Otherwise the error itself."""
    from stages.core.folder.faults import damage_is_named, disk_full_is_an_error, shortage_is_an_error

    named = getattr(error, "filename", None)
    out = [place for option, place in pairwise(words) if option in ("--out", "-o")]
    place = Path(named if isinstance(named, str) else out[0] if out else STANDARD_OUTPUT)
    try:
        with shortage_is_an_error(place), damage_is_named(*words), disk_full_is_an_error(place):
            raise error
    except BaseException as found:
        return found
