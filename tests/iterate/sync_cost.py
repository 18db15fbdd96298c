"""What putting everything on disk costs: the share of the time of make-games, rollout and a round that is spent syncing.

`python -m tests.iterate.sync_cost --rounds 6`: all three with the recipe tiny, in one process.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from stages import iterate, make_games, rollout
from stages.core.recipe import load


class Syncing:
    """Counts the calls of `os.fsync` and their seconds."""

    def __init__(self) -> None:
        self._sync, self._seconds, self._calls = os.fsync, 0.0, 0
        self._mark = (time.perf_counter(), 0.0, 0)

    def __call__(self, handle: int) -> None:
        began = time.perf_counter()
        self._sync(handle)
        self._seconds += time.perf_counter() - began
        self._calls += 1

    def share(self, what: str) -> float:
        """Print the share of syncing in the time since the last call, and return it."""
        (began, seconds, calls), self._mark = self._mark, (time.perf_counter(), self._seconds, self._calls)
        took, syncing = self._mark[0] - began, self._seconds - seconds
        print(
            f"{what}: {took:.2f} s, syncing {syncing:.3f} s in {self._calls - calls} calls, {syncing / took:.2%}",
            flush=True,
        )
        return syncing / took


@contextmanager
def counted() -> Iterator[Syncing]:
    syncing, sync = Syncing(), os.fsync
    os.fsync = syncing
    try:
        yield syncing
    finally:
        os.fsync = sync


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--pairs", type=int, default=60)
    given = parser.parse_args()
    recipe = load("tiny", [f"iterate.rounds={given.rounds}", f"games.pairs={given.pairs}", "evaluate.every=0"])
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, counted() as syncing:
        games = Path(folder, "games")
        make_games.run(recipe, games, processes=1)
        syncing.share(f"make-games, {given.pairs} pairs")
        rollout.run(recipe, games, Path(folder, "rollouts"), split=None)
        syncing.share("rollout")
        shares = []

        def on_round(metrics: dict[str, Any], timings: dict[str, Any]) -> None:
            shares.append(syncing.share(f"round {metrics['iteration']}"))

        iterate.run(recipe, Path(folder, "run"), games=games, on_round=on_round)
    print(f"rounds after the first: median {median(shares[1:]):.2%}, most {max(shares[1:]):.2%}")


if __name__ == "__main__":
    main()
