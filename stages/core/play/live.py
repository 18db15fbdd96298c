"""Progress of playing: games, rates and the time left, shown live in a terminal and once a minute in a log."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from stages.core import progress
from stages.core.engines.base import Engine, Queue, Tally
from stages.core.printing.terminal import say
from stages.core.recipe.game import Game

REFRESH_EVERY = 0.5  # seconds, in a terminal; one refresh takes a few milliseconds


def completions_of(rules: Game) -> int:
    """The number of completions in a game: all clues and all votes."""
    votes = rules.votes if rules.voters == "analyst" else (rules.players - 1) * rules.votes_per_civilian
    return rules.players * rules.clue_rounds + votes


class Meter:
    """Progress of playing `total` games, of which `before` were already finished.

    A game in play counts by its completions so far, so that rate and ETA are right even if many games end at once.
    """

    def __init__(self, title: str, total: int, before: int, rules: Game, engine: Engine) -> None:
        self.title, self.total, self.before, self.finished = title, total, before, 0
        self._each, self._engine, self._queue = completions_of(rules), engine, Queue()
        self._tally, self._started = engine.tally.copy(), time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._started

    def tally(self) -> Tally:
        """What the engine has done since playing began."""
        return self._engine.tally.since(self._tally)

    def line(self) -> str:
        """Games, games per minute, tokens per second, the share of prompts from a cache, requests, time left."""
        seconds, tally, waiting = max(self.seconds(), 1e-9), self.tally(), self.total - self.before
        played = max(min(tally.completions / self._each, waiting), self.finished)
        eta = timedelta(seconds=round((waiting - played) * seconds / played)) if played else "–"
        cached = f" ({tally.tokens_cached / tally.tokens_in:.0%} cached)" if tally.tokens_cached else ""
        with suppress(RuntimeError):  # the engine is changing its queue: the last figures will do
            self._queue = self._engine.queue()
        return (
            f"{self.title}: {self.before + self.finished} of {self.total} games, "
            f"{60 * played / seconds:.1f} games/min, {tally.tokens_in / seconds:.0f} tokens/s in{cached}, "
            f"{tally.tokens_out / seconds:.0f} out, {self._queue.running} running, "
            f"{self._queue.waiting} waiting, ETA {eta}"
        )


@contextmanager
def watch(meter: Meter) -> Iterator[None]:
    """Show the meter's line on stderr until the block ends, from a separate thread."""
    if sys.stderr.isatty():
        from rich.live import Live
        from rich.text import Text

        from stages.core.printing.screen import Screen

        console, rate = Screen(stderr=True), 1 / REFRESH_EVERY
        with Live(get_renderable=lambda: Text(meter.line()), console=console, refresh_per_second=rate, transient=True):
            yield
        return
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(progress.LINE_EVERY):
            say(meter.line())

    thread = threading.Thread(target=repeat, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
