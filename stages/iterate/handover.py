"""The folder that passes full weights from the trainer to the engine: in memory (/dev/shm) if that has room.

Nobody needs it after the run. A killed run cannot delete its folder, so this user's next run does.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

MEMORY = Path("/dev/shm")
COPIES = 2  # at the same time: one plays, the next is being written
LOCK = "lock"


@contextmanager
def handover_folder(run: Path, size: int) -> Iterator[Path]:
    """A folder that hands over a policy's weights of `size` bytes. It is deleted at the end."""
    prefix = f"vz-{os.getuid()}-"
    for left in MEMORY.glob(f"{prefix}*"):
        _delete_if_left(left)
    shutil.rmtree(run / ".handover", ignore_errors=True)
    name = prefix + hashlib.sha256(os.fsencode(run)).hexdigest()[:16]
    folder = MEMORY / name if _has_room(COPIES * size) else run / ".handover"
    work = folder.with_name(f".{folder.name}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700)
    with (work / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until this process ends, however it ends
        work.rename(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _has_room(size: int) -> bool:
    try:
        return MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > size
    except OSError:
        return False


def _delete_if_left(folder: Path) -> None:
    """Delete a folder whose run has ended."""
    try:
        with (folder / LOCK).open("w") as file:
            if _can_lock(file):
                shutil.rmtree(folder, ignore_errors=True)
    except OSError:  # another user's, or just being deleted
        return


def _can_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
