"""One writer an output folder, and whether the last one's machine went down."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.core.errors import InputError

BOOT = Path("/proc/sys/kernel/random/boot_id")  # another text after each start of the machine


@contextmanager
def locked(out: Path) -> Iterator[bool]:
    """Let one writer at a time into `out`. The kernel drops the lock of a killed process.

    Yields whether an earlier writer left its lock behind and the machine has been started since: then files of `out`
    may have lost bytes that were only in memory. A writer that was merely killed leaves files as it wrote them.
    """
    if not out.name:
        raise InputError(f"{out}: cannot be an output folder; name one below it with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    path = out.with_name(f".{out.name}.lock")
    busy = InputError(f"{out}: another vz process is writing it; wait for it to end")
    was_left = path.exists()
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy from error
        if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
            raise busy  # its owner ended between our opening and our locking; a new one may have begun
        try:
            yield _replaced(file.fileno(), _boot()) != _boot() and was_left
        finally:
            path.unlink(missing_ok=True)


def _replaced(file: int, text: str) -> str:
    """Write `text` over what the open file holds, and return what that was."""
    before = os.pread(file, 1000, 0)
    os.ftruncate(file, 0)
    os.pwrite(file, text.encode(), 0)
    return before.decode(errors="replace")


def _boot() -> str:
    """Which start of the machine this is; where that cannot be known, nothing that any lock holds."""
    try:
        return BOOT.read_text().strip()
    except OSError:
        return "unknown"
