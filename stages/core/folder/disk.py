"""A full disk, said once and clearly."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polars.exceptions import PolarsError

from stages.core.errors import VzError


@contextmanager
def room_for(out: Path) -> Iterator[None]:
    """Turn the many errors of a full disk, or of a spent quota, into one `VzError` that says how to go on."""
    try:
        yield
    except (OSError, PolarsError) as error:
        if not is_full(error):
            raise
        raise VzError(
            f"{out}: the disk is full; free some space and give the same command again: what is finished is kept"
        ) from error


def is_full(error: Exception) -> bool:
    """Whether the disk, or what one may use of it, is used up."""
    if isinstance(error, OSError):
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    return "(os error 28)" in str(error) or "(os error 122)" in str(error)  # Polars tells the numbers in words
