"""Where a run spends its time: in the engine, in the optimizer, or elsewhere.

Code marks what it does with `part` and `busy`, which cost almost nothing while nothing is recorded. Parts are named
stretches of the recorded thread; when parts are nested, the innermost counts. Engine and optimizer may work in any
thread, and at the same time.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

ENGINE, OPTIMIZER = "engine", "optimizer"

Span = tuple[float, float]  # start and end, in seconds of the same clock


@dataclass(frozen=True)
class Breakdown:
    """The seconds of a stretch of time. `overhead` excludes engine and optimizer; `parts` are its parts by name."""

    total: float
    engine: float  # in which the engine computed answers
    optimizer: float  # in which training computed updates: forward, backward and step
    overhead: float  # the rest; engine and optimizer may overlap, so the three can add up to more than the total
    parts: dict[str, float] = field(default_factory=dict)  # the largest first


class Clock:
    """Records what the thread that starts it does, and when the engine and the optimizer work."""

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._recorded: int | None = None  # the recorded thread; None: nothing is recorded
        self._began = 0.0
        self._inside: list[str] = []  # the parts that are open, the innermost last
        self._since = 0.0  # when the innermost part began or resumed
        self._parts: list[tuple[str, Span]] = []
        self._busy: dict[str, list[Span]] = {}
        self._open: dict[str, list[float]] = {}  # when each open stretch of `busy` began

    def start(self) -> None:
        """Start recording, and discard earlier records."""
        with self._lock:
            self._recorded, self._began = threading.get_ident(), self._now()
            self._since, self._parts, self._busy = self._began, [], {}

    def stop(self) -> None:
        self._recorded = None

    def lap(self) -> Breakdown:
        """The time since `start`, or since the last lap."""
        self._switch()
        with self._lock:
            now = self._since
            stretch = self._began, now
            for what, beginnings in self._open.items():
                self._busy.setdefault(what, []).extend((began, now) for began in beginnings)
            busy = {what: _within(spans, stretch) for what, spans in self._busy.items()}
            parts, self._parts, self._busy, self._began = self._parts, [], {}, now
        return _breakdown(stretch, parts, busy)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the block's time in the recorded thread as `name`, except for inner parts."""
        if threading.get_ident() != self._recorded:
            yield
            return
        self._switch()
        self._inside.append(name)
        try:
            yield
        finally:
            self._switch()
            self._inside.pop()

    @contextmanager
    def busy(self, what: str) -> Iterator[None]:
        """Record that the engine or the optimizer (`what`) works in the block."""
        began = self._now()
        with self._lock:
            self._open.setdefault(what, []).append(began)
        try:
            yield
        finally:
            with self._lock:
                self._open[what].remove(began)
                if self._recorded is not None:
                    self._busy.setdefault(what, []).append((began, self._now()))

    def add(self, what: str, seconds: float) -> None:
        """Record that the engine or the optimizer (`what`) has just worked for `seconds` in another process."""
        if self._recorded is not None:
            now = self._now()
            with self._lock:
                self._busy.setdefault(what, []).append((now - seconds, now))

    def _switch(self) -> None:
        """End the stretch of the innermost part."""
        now = self._now()
        if self._recorded is not None:
            self._parts.append((self._inside[-1] if self._inside else "other", (self._since, now)))
        self._since = now


clock = Clock()


def _breakdown(stretch: Span, parts: Sequence[tuple[str, Span]], busy: dict[str, list[Span]]) -> Breakdown:
    working = joined(span for spans in busy.values() for span in spans)
    seconds: dict[str, float] = {}
    for name, span in parts:
        first = max(0, bisect_left(working, span) - 1)  # the previous span may reach into this one
        last = bisect_left(working, (span[1],), first)
        seconds[name] = seconds.get(name, 0.0) + length([span]) - length(_within(working[first:last], span))
    total = length([stretch])
    return Breakdown(
        total,
        engine=length(joined(busy.get(ENGINE, ()))),
        optimizer=length(joined(busy.get(OPTIMIZER, ()))),
        overhead=total - length(working),
        parts=dict(sorted(seconds.items(), key=lambda part: -part[1])),
    )


def joined(spans: Iterator[Span] | Sequence[Span]) -> list[Span]:
    """The same time as spans that do not overlap, in order."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    return found


def length(spans: Sequence[Span]) -> float:
    return sum(end - begin for begin, end in spans)


def _within(spans: Sequence[Span], stretch: Span) -> list[Span]:
    """The part of each span that lies in the stretch."""
    cut = ((max(begin, stretch[0]), min(end, stretch[1])) for begin, end in spans)
    return [(begin, end) for begin, end in cut if end > begin]
