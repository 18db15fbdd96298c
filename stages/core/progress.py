"""Progress on stderr: a bar with rate and ETA in a terminal, one line per minute elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from stages.core.printing.terminal import say

LINE_EVERY = 60.0  # seconds


class Progress(Protocol):
    """Receives the progress of long work."""

    def advance(self, steps: int = 1, note: str = "") -> None: ...


class Silent:
    """Reports nothing."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        return None


class Lines:
    """For logs: one line per minute with the count, the rate and the remaining time."""

    def __init__(self, title: str, total: int, done: int) -> None:
        self._title, self._total, self._done, self._before = title, total, done, done
        self._started = self._said = time.monotonic()

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._done += steps
        now = time.monotonic()
        if now - self._said >= LINE_EVERY and self._done < self._total:
            self._said = now
            rate = (self._done - self._before) / (now - self._started)
            left = timedelta(seconds=round((self._total - self._done) / rate))
            say(f"{self._title}: {self._done} of {self._total}, {rate:.2f}/s, ETA {left}")


@contextmanager
def progress_bar(title: str, total: int, done: int = 0) -> Iterator[Progress]:
    """Progress over `total` steps, of which `done` are already finished."""
    if total <= 0:
        yield Silent()
        return
    if not sys.stderr.isatty():
        yield Lines(title, total, done)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    from stages.core.printing.screen import Screen

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed or 0:.2f}/s")

    columns = (
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with RichProgress(*columns, console=Screen(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total, completed=done, note="")

        class Bar:
            def advance(self, steps: int = 1, note: str = "") -> None:
                bar.update(task, advance=steps, note=note)

        yield Bar()
