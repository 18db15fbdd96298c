"""Games as they are played: how many, how fast and how long still, in a terminal always, in a log once a minute."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from stages.core import progress
from stages.core.engines.base import Engine, Queue, Tally
from stages.core.recipe.game import Game

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

REFRESHES = 2  # a second, in a terminal; one takes a few milliseconds


def completions_of(rules: Game) -> int:
    """Completions of one game: a clue a turn, and all votes."""
    votes = rules.votes if rules.voters == "analyst" else (rules.players - 1) * rules.votes_per_civilian
    return rules.players * rules.clue_rounds + votes


class Meter:
    """What was played since it was made, of `total` games of which `before` were finished already.

    Games in play count by the completions that are there, so that rate and ETA are right where many games end at once.
    """

    def __init__(self, title: str, total: int, before: int, rules: Game, engine: Engine) -> None:
        self.title, self.total, self.before, self.finished = title, total, before, 0
        self._each, self._engine, self._queue = completions_of(rules), engine, Queue()
        self._tally, self._started = engine.tally.copy(), time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._started

    def tally(self) -> Tally:
        """What the engine has done since."""
        return self._engine.tally.since(self._tally)

    def played(self) -> float:
        """Games, with the fractions of those in play."""
        begun = min(self.tally().completions / self._each, self.total - self.before)
        return max(begun, float(self.finished))

    def queue(self) -> Queue:
        with suppress(RuntimeError):  # the engine changes its books at this very moment: what it said last will do
            self._queue = self._engine.queue()
        return self._queue

    def rates(self) -> list[str]:
        """Games a minute, tokens a second, the share of prompts that a cache spared, requests, time left."""
        seconds, played, tally, queue = max(self.seconds(), 1e-9), self.played(), self.tally(), self.queue()
        cached = f" ({tally.tokens_cached / tally.tokens_in:.0%} cached)" if tally.tokens_cached else ""
        left = (self.total - self.before - played) * seconds / played if played else None
        return [
            f"{60 * played / seconds:.1f} games/min",
            f"{tally.tokens_in / seconds:.0f} tokens/s in{cached}",
            f"{tally.tokens_out / seconds:.0f} out",
            f"{queue.running} running",
            f"{queue.waiting} waiting",
            f"ETA {'–' if left is None else timedelta(seconds=round(left))}",
        ]

    def line(self) -> str:
        return f"{self.title}: {self.before + self.finished} of {self.total} games, {', '.join(self.rates())}"

    def panel(self) -> RenderableType:
        """For a terminal: a bar, and the rates below."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        bar = ProgressBar(self.total, self.before + self.played(), width=40)
        head = Table.grid(padding=(0, 1))
        head.add_row(
            Text(self.title, style="bold"),
            bar,
            f"{self.before + self.finished}/{self.total} games",
            f"{timedelta(seconds=round(self.seconds()))}",
        )
        return Group(head, Text("  " + " · ".join(self.rates())))  # two lines where the terminal is narrow


@contextmanager
def watch(meter: Meter) -> Iterator[None]:
    """Tell on stderr what `meter` says, from a thread of its own, until the block ends."""
    if sys.stderr.isatty():
        from rich.console import Console

        with _panel(meter, Console(stderr=True)):
            yield
    else:
        with _lines(meter):
            yield


@contextmanager
def _panel(meter: Meter, console: Console) -> Iterator[None]:
    from rich.live import Live

    with Live(get_renderable=meter.panel, console=console, refresh_per_second=REFRESHES, transient=True):
        yield


@contextmanager
def _lines(meter: Meter) -> Iterator[None]:
    ended = threading.Event()

    def say() -> None:
        while not ended.wait(progress.LINE_EVERY):
            print(meter.line(), file=sys.stderr)

    thread = threading.Thread(target=say, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
