"""What vz's own part of playing costs: games on an engine that answers at once, so that all time and memory is ours.

    python -m tests.rollout.cost [--games 100 1000 10000 100000] [--engine-tokens 60]

Each number of games is played by a process of its own through the rollout stage: deals, prompts, readers, journal,
tables, summary and manifest. A turn is one request: a clue, or all votes of a game.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from stages import rollout
from stages.core import tables
from stages.core.engines.base import Completion, Engine, Request
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome
from stages.core.game.rules import deal
from stages.core.recipe import Recipe, load
from tests.helpers import write_games

PAIRS = 100
COUNTS = (100, 1_000, 10_000, 100_000)
RULES = ("rollout.engine=fake", "game.prompts=standard", "rollout.concurrent_games=256", "game.clue_rounds=2")
CLUE = "I look at the picture and compare it with what was said before. \\boxed{There is a small red cube on the left}"
VOTE = "Player 2 repeats what others said and names nothing that can be checked. \\boxed{2}"


class InstantEngine(Engine):
    """The same answer to everything, after other games had their turn, so that all games are truly in play."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self._clue, self._vote = (
            Completion(text, list(range(tokens)), [-0.5] * tokens, "stop", 500, "0" * 64, "fake")
            for text in (CLUE, VOTE)
        )

    def load(self, policy: str, model: str | Path, version: str) -> None:
        self._versions[policy] = version

    async def generate(self, request: Request) -> list[Completion]:
        await asyncio.sleep(0)
        completions = [self._clue if request.order[1] < 8 else self._vote] * request.n
        self.count(completions, prompts=500)
        return completions


def recipe(*overrides: str) -> Recipe:
    return load("tiny", [*RULES, "deterministic=false", *overrides])


def write_deal(folder: Path, games: Path, count: int) -> Path:
    """A deal of `count` games on the few pairs of `games`."""

    def make(work: Path) -> Outcome:
        ids = tables.read(games / "pairs.parquet", tables.PAIRS, ["pair_id"])["pair_id"].to_list()
        dealt = deal(ids, count, recipe().game, seed=1, iteration=1)
        tables.write(
            tables.from_rows([vars(game) for game in dealt], tables.GAMES), work / "games.parquet", tables.GAMES
        )
        return Outcome({"games": count})

    return artifact.produce(folder, stage="deal", settings={"count": count}, inputs={"games": games}, make=make).out


def play(folder: Path, tokens: int) -> dict[str, float]:
    """Play the deal in `folder`: seconds, CPU seconds, turns a second of both, and the process's peak memory in MiB."""
    rules = recipe()
    wall, cpu = time.monotonic(), time.process_time()
    report = rollout.run(
        rules, folder / "games", folder / "rollouts", deal=folder / "deal", split=None, engine=InstantEngine(tokens)
    )
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    turns = report.counts["games"] * (rules.game.players * rules.game.clue_rounds + 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "games": report.counts["games"],
        "rows": report.counts["rows"],
        "seconds": wall,
        "cpu_seconds": cpu,
        "turns_per_second": turns / wall,
        "turns_per_cpu_second": turns / cpu,
        "peak_mib": peak,
    }


def measure(count: int, tokens: int) -> dict[str, float]:
    """`play` in a process of its own, so that its peak memory is its own."""
    with tempfile.TemporaryDirectory(prefix="vz-cost-") as name:
        folder = Path(name)
        write_deal(folder / "deal", write_games(folder / "games", recipe(), count=PAIRS), count)
        command = [sys.executable, "-m", "tests.rollout.cost", "--play", str(folder), "--engine-tokens", str(tokens)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        figures: dict[str, float] = json.loads(done.stdout)
        return figures


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--games", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--engine-tokens", type=int, default=60, help="tokens of each answer")
    parser.add_argument("--play", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.play:
        print(json.dumps(play(given.play, given.engine_tokens)))
        return
    print(f"{'games':>8} {'rows':>9} {'s':>8} {'CPU s':>8} {'turns/s':>8} {'turns/CPU s':>11} {'peak MiB':>9}")
    for count in given.games:
        row = measure(count, given.engine_tokens)
        print(
            f"{row['games']:8.0f} {row['rows']:9.0f} {row['seconds']:8.1f} {row['cpu_seconds']:8.1f} "
            f"{row['turns_per_second']:8.0f} {row['turns_per_cpu_second']:11.0f} {row['peak_mib']:9.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
