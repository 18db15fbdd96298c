"""One writer per output folder, and whether a power cut ended the last one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.core.errors import InputError

LOCKS = Path("/proc/locks")
BOOT = Path("/proc/sys/kernel/random/boot_id")  # changes with each boot


@contextmanager
def locked(out: Path) -> Iterator[bool]:
    """Let one writer at a time into `out`. The kernel drops the lock of a killed process.

    Yields whether an earlier writer left its lock behind and the machine has rebooted since. If so, files in `out` may
    have lost bytes that were only in memory. A writer that was merely killed leaves its files as it wrote them.
    """
    if not out.name:
        raise InputError(f"{out}: cannot be an output folder; choose a folder inside it with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    path = out.with_name(f".{out.name}.lock")
    busy = InputError(f"{out}: another vz process is writing to it; wait until it ends")
    was_left = path.exists()
    with path.open("a+", errors="replace") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy from error
        if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
            raise busy  # its owner ended between our open and our lock; another one may have started
        try:
            file.seek(0)
            boot_before, boot = file.read(), _boot()
            file.truncate(0)
            file.write(boot)  # the file is in append mode
            file.flush()
            yield was_left and boot_before != boot
        finally:
            path.unlink(missing_ok=True)


def is_being_written(out: Path) -> bool | None:
    """Whether a process is writing into `out`. None if a lock exists, but no process on this machine holds it.

    Asks the kernel, since trying to take the lock would make a writer that starts at this moment fail.
    """
    try:
        inode = str(out.with_name(f".{out.name}.lock").stat().st_ino)
    except OSError:
        return False
    locks = [line.split() for line in LOCKS.read_text().splitlines()] if LOCKS.is_file() else []
    return any(words[1] == "FLOCK" and words[5].endswith(f":{inode}") for words in locks) or None


def _boot() -> str:
    """The id of the machine's current boot, or a constant if that is unknown."""
    try:
        return BOOT.read_text().strip()
    except OSError:
        return "unknown"
