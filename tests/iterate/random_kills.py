"""SIGKILL at random moments of runs with the real engine and the living trainer; afterwards every byte is compared.

`python -m tests.iterate.random_kills --kills 60` kills runs of six rounds again and again until they are finished, half
of the time at a random change of the disk and half of the time at a random moment. No saved game may be asked for again,
and the end must be the bytes of an undisturbed run. Prints a table.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from stages import iterate
from stages.core.engines.base import Completion, Request
from stages.core.engines.transformers import TransformersEngine
from stages.core.recipe import load
from tests.helpers import write_games
from tests.iterate.test_kills import fingerprint
from tests.processes import forked, kill_at_change

SMALL = ["model.path=data/tiny-model", "iterate.games=4", "rollout.concurrent_games=2", "iterate.rounds=6"]
SMALL += ["iterate.preflight=0", "evaluate.every=0", "iterate.keep_every=0", "iterate.dwell=2", "iterate.patience=3"]
LORA, THIRD = "model.lora={rank: 4, alpha: 8}", "iterate.save_every=3"
ARMS = {
    "all weights, each round saved": [],
    "all weights, each third round saved": [THIRD],
    "LoRA, each round saved": [LORA],
    "LoRA, each third round saved": [LORA, THIRD],
    "played ahead, each third round saved": [THIRD, "iterate.play_ahead=true", "train.logprob_gap_limit=9"],
}
NEVER = 10**9


@dataclass
class Tally:
    """What was seen of one arm."""

    runs: int = 0
    kills: int = 0
    repeated: int = 0  # trainings of finished rounds
    asked_again: int = 0  # saved games for which the engine was asked once more
    other_bytes: list[str] = field(default_factory=list)


def run_until(kill_at: int, kill_after: float, out: Path, games: Path, settings: list[str]) -> None:
    """Run until the n-th change of the disk, or for so many seconds; without a kill, note how many changes there were."""
    log, generate = out.parent / "asked.log", TransformersEngine.generate

    async def logged(engine: TransformersEngine, request: Request) -> list[Completion]:
        with log.open("a") as file:
            file.write(request.about + "\n")
        return await generate(engine, request)

    TransformersEngine.generate = logged  # type: ignore[method-assign]
    changes: list[None] = []
    kill_at_change(kill_at, seen=lambda: changes.append(None))
    timer = threading.Timer(kill_after, os.kill, (os.getpid(), signal.SIGKILL))
    timer.daemon = True
    timer.start()
    sys.stderr = (out.parent / "said.log").open("a")
    iterate.run(load("tiny", settings), out, games=games)
    (out.parent / "changes").write_text(str(len(changes)))


def saved_games(run: Path) -> set[str]:
    files = [*run.glob("round-*/.rollouts.partial/journal/*.parquet"), *run.glob("round-*/rollouts/part-*.parquet")]
    return {game for file in files for game in pl.read_parquet(file, columns=["game_id"])["game_id"].unique()}


def asked_games(folder: Path) -> set[str]:
    log = folder / "asked.log"
    return set(re.findall(r"^game '([^']+)'", log.read_text(), re.MULTILINE)) if log.is_file() else set()


class Arm:
    """Runs of one recipe that are killed, and the undisturbed run that they are compared with."""

    def __init__(self, folder: Path, games: Path, settings: list[str], seed: str) -> None:
        self._folder, self._games, self._settings = folder, games, [*SMALL, *settings]
        self._dice, self.tally = random.Random(seed), Tally()
        (folder / "whole").mkdir(parents=True)
        began = time.monotonic()
        assert self._drive("whole", NEVER, NEVER) == 0
        self._seconds, self._changes = time.monotonic() - began, int((folder / "whole/changes").read_text())
        self._expected = fingerprint(folder / "whole/run")

    def kill(self, kills: int) -> Tally:
        """Kill runs until there were so many kills; the last run is let finish."""
        while self.tally.kills < kills:
            self._one_run(kills)
        return self.tally

    def _one_run(self, kills: int) -> None:
        name = f"killed-{self.tally.runs}"
        place = self._folder / name
        place.mkdir()
        self.tally.runs += 1
        while self._drive(name, *self._moment(kills)) == -signal.SIGKILL:
            self.tally.kills += 1
        self.tally.repeated += (place / "said.log").read_text().count("repeats the training of round")
        found, expected = fingerprint(place / "run"), self._expected
        self.tally.other_bytes += sorted(
            f"{name}/{file}" for file in {**found, **expected} if found.get(file) != expected.get(file)
        )

    def _moment(self, kills: int) -> tuple[int, float]:
        """When to kill: halfway through an undisturbed run at the latest."""
        if self.tally.kills >= kills:
            return NEVER, NEVER
        if self._dice.random() < 0.5:
            return self._dice.randint(1, self._changes // 2), NEVER
        return NEVER, self._dice.uniform(0.1, self._seconds / 2)

    def _drive(self, name: str, kill_at: int, kill_after: float) -> int:
        place = self._folder / name
        before = saved_games(place / "run")
        code = forked(
            run_until, kill_at, min(kill_after, threading.TIMEOUT_MAX), place / "run", self._games, self._settings
        )
        self.tally.asked_again += len(before & asked_games(place))
        (place / "asked.log").unlink(missing_ok=True)
        assert code in {0, -signal.SIGKILL}, (place / "said.log").read_text()[-2000:]
        return code


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=60, help="kills in all, spread over the arms")
    parser.add_argument("--arms", type=int, nargs="+", default=list(range(len(ARMS))), help="which arms, by number")
    given = parser.parse_args()
    names = [list(ARMS)[number] for number in given.arms]
    print("| run | runs | kills | trainings repeated | saved games asked for again | files with other bytes |")
    print("|---|---|---|---|---|---|", flush=True)
    whole = True
    with tempfile.TemporaryDirectory() as folder:
        games = write_games(Path(folder) / "games", load("tiny", SMALL), count=16, side=72)
        for number, name in enumerate(names):
            arm = Arm(Path(folder) / str(number), games, ARMS[name], name)
            seen = arm.kill(-(-given.kills // len(names)))
            whole = whole and not seen.asked_again and not seen.other_bytes
            print(
                f"| {name} | {seen.runs} | {seen.kills} | {seen.repeated} | {seen.asked_again} | {len(seen.other_bytes)} |"
            )
            print(*seen.other_bytes[:5], sep="\n", end="", flush=True)
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
