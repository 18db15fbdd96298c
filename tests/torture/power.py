"""Power cuts; see tests/iterate/power_cuts.py."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tests.iterate.power_cuts import Trials, can_cut
from tests.torture.kinds import Try


class Power:
    """Power cuts at the writes of a run."""

    share, batch, few = 0.08, 1, 2

    def __init__(self) -> None:
        self._runs: Trials | None = None  # of this lane

    def missing(self) -> str:
        return "" if can_cut() else "it needs root, loop devices and e2fsprogs"

    def prepare(self, tries: Sequence[Try]) -> None:
        for one in tries:
            one.place.mkdir(parents=True, exist_ok=True)

    def attempt(self, tries: Sequence[Try]) -> None:
        for one in tries:
            if self._runs is None:
                self._runs = Trials.begin(one.world / f"power of {os.getpid()}", real=False)
            event = one.dice("event").randint(1, self._runs.events)
            one.about = f"event {event} of {self._runs.events}"
            end = self._runs.cut(event)
            if end.splitlines()[0] != "the same bytes":
                one.found.add("different" if end.startswith("other bytes") else "unclear", end)
