"""Temporary folders. If a kill leaves one behind, the next one of the same kind deletes it."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

OWNER = ".owner"  # a file in the folder, locked while its process lives


class TemporaryFolder:
    """An empty folder whose name begins with `prefix`, in `inside` (default: the system's temporary folder).

    `close` deletes it. Making one also deletes folders with this prefix whose process was killed.
    """

    def __init__(self, prefix: str, inside: Path | None = None) -> None:
        place = Path(tempfile.gettempdir()) if inside is None else inside
        self._owner = -1
        _delete_orphans(place, prefix)
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        unlocked = self.path / f"{OWNER}.new"
        self._owner = os.open(unlocked, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._owner, fcntl.LOCK_EX)
        os.link(unlocked, self.path / OWNER)  # only now, so that no other process finds it unlocked
        unlocked.unlink()

    def keep(self) -> None:
        """Leave the folder to the user: neither `close` nor a later folder deletes it."""
        (self.path / OWNER).unlink(missing_ok=True)
        self._release()

    def close(self) -> None:
        """Delete the folder, unless it is kept. Closing again does nothing."""
        if self._owner >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            self._release()

    def _release(self) -> None:
        owner, self._owner = self._owner, -1
        if owner >= 0:
            os.close(owner)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def _delete_orphans(place: Path, prefix: str) -> None:
    """Delete the folders of this kind that this user's killed processes left. No process holds their lock."""
    for folder in place.glob(f"{prefix}*"):
        try:
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            owner = os.open(folder / OWNER, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:  # another kind of folder, or one that has just disappeared
            continue
        try:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # its process is alive
            pass
        finally:
            os.close(owner)
