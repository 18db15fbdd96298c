"""How failures end: each as one line with a remedy, and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

STANDARD_OUTPUT = "standard output"  # what is left if an error names no file, and the command no --out


def explained(error: BaseException, words: Sequence[str]) -> tuple[str, int]:
    """The message and the exit code of an error. `words` are those of the command; some may name folders."""
    from stages.core.errors import VzError

    while isinstance(error, BaseExceptionGroup):  # games fail in a group; the first says why
        error = error.exceptions[0]
    error = _known(error, words)
    if isinstance(error, VzError):
        return str(error), error.exit_code
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}", 1
    problem = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{problem} (an error inside vz; --debug shows where)", 1


def _known(error: BaseException, words: Sequence[str]) -> BaseException:
    """What caused the error, if that is a damaged file, a full disk or spent memory; else the error itself."""
    from stages.core.folder.faults import damage_is_named, disk_full_is_an_error, shortage_is_an_error

    named = getattr(error, "filename", None)
    out = [place for option, place in pairwise(words) if option in ("--out", "-o")]
    place = Path(named if isinstance(named, str) else out[0] if out else STANDARD_OUTPUT)
    try:
        with shortage_is_an_error(place), damage_is_named(*words), disk_full_is_an_error(place):
            raise error
    except BaseException as found:
        return found
