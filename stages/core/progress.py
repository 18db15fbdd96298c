"""Progress on stderr: a bar with ETA in a terminal, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Where long work reports how far it is."""

    def advance(self, steps: int = 1, note: str = "") -> None: ...


class Silent:
    """Says nothing; what a stage gets when nobody looks."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        return None


@contextmanager
def progress_bar(title: str, total: int, done: int = 0) -> Iterator[Progress]:
    """A bar of `total` steps of which `done` are there already. Quiet when stderr is not a terminal."""
    if not sys.stderr.isatty() or total <= 0:
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total, completed=done, note="")

        class Bar:
            def advance(self, steps: int = 1, note: str = "") -> None:
                bar.update(task, advance=steps, note=note)

        yield Bar()
