"""Files and folders that take their place in one step and outlast a power cut.

A rename alone outlasts a killed process. After a hard reset the file under the new name may still be empty, since its
bytes were only in memory. So everything is on disk before it gets the name by which others find it, and the name is on
disk before anything relies on it.
"""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path


def put(temporary: Path, path: Path) -> None:
    """Rename a finished file to `path`. Afterwards its bytes and its name are on disk."""
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def publish(work: Path, out: Path) -> None:
    """Rename a finished folder to `out`, with all that is in it on disk. A folder that was there is deleted."""
    old = out.with_name(f".{out.name}.old")
    if old.exists():
        shutil.rmtree(old)
    sync_tree(work)
    if out.exists():
        out.replace(old)
    work.replace(out)
    sync(out.parent)
    if old.exists():
        shutil.rmtree(old)


def sync_tree(folder: Path) -> None:
    """Put every file and folder below `folder`, and `folder` itself, on disk."""
    for place, _, names in os.walk(folder):
        for name in names:
            file = Path(place, name)
            if file.is_file() and not file.is_symlink():
                sync(file)
        sync(Path(place))


def sync(path: Path) -> None:
    """Put one file's bytes, or one folder's names, on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # what some network file systems answer for a folder
            raise
    finally:
        os.close(handle)
