"""One writer an output folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.core.errors import InputError


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """One writer an output folder. The kernel drops the lock of a killed process."""
    if not out.name:
        raise InputError(f"{out}: cannot be an output folder; name one below it with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    path = out.with_name(f".{out.name}.lock")
    busy = InputError(f"{out}: another vz process is writing it; wait for it to end")
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy from error
        if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
            raise busy  # its owner ended between our opening and our locking; a new one may have begun
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
