"""How long a command has taken, on a machine that does other work, too."""

from __future__ import annotations

import time
from pathlib import Path

LOOK = 0.5  # seconds between two looks at the processes
IDLE = 0.02  # share of the time that processes run or wait for a processor, below which they wait for something else


class Patience:
    """How long a command has taken. Time in which its processes wait for a processor counts as far as they get one.

    This tells a command that hangs from one on a busy machine.
    """

    def __init__(self, sid: int) -> None:
        self._sid, self._seconds, self._then = sid, 0.0, time.monotonic()
        self._ran = self._waited = 0.0

    def seconds(self) -> float:
        passed = time.monotonic() - self._then
        if passed >= LOOK:
            ran, waited = map(sum, zip((0.0, 0.0), *(scheduled(pid) for pid in in_session(self._sid)), strict=True))
            more, lost = max(0.0, ran - self._ran), max(0.0, waited - self._waited)
            self._seconds += passed * (more / (more + lost) if more + lost > IDLE * passed else 1.0)
            self._then, self._ran, self._waited = time.monotonic(), ran, waited
        return self._seconds


def scheduled(pid: int) -> tuple[float, float]:
    """The seconds that the threads of a process ran, and that they waited for a processor."""
    ran = waited = 0.0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            one, other = task.read_text().split()[:2]
        except (OSError, ValueError):
            continue
        ran, waited = ran + int(one) / 1e9, waited + int(other) / 1e9
    return ran, waited


def measured(pid: int) -> float:
    """Now, in seconds, less those that the process has waited for a processor: other work slows it down by no fault of its own."""
    try:
        waited = int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        waited = 0.0
    return time.monotonic() - waited


def in_session(sid: int) -> list[int]:
    """The living processes of a session."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                state, _, _, session = (place / "stat").read_text().rsplit(")", 1)[1].split()[:4]
            except (OSError, ValueError):
                continue
            if int(session) == sid and state not in "ZX":
                found.append(int(place.name))
    return found
