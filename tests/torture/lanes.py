"""Tries of all kinds side by side, each kind with its share of the time."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

from stages.core.processes.inherited import end_with_parent
from tests.torture import failures, world
from tests.torture.disks import Disks
from tests.torture.fuzz import Fuzz
from tests.torture.kills import Kills
from tests.torture.kinds import Kind, Try
from tests.torture.power import Power
from tests.torture.spoilt import Spoilt
from tests.torture.tally import Found
from tests.torture.writers import Writers

KINDS: dict[str, Kind] = {
    "kills": Kills(),
    "spoilt": Spoilt(),
    "disks": Disks(),
    "power": Power(),
    "writers": Writers(),
    "fuzz": Fuzz(),
}
LOG = "tries.jsonl"


def run_all(
    kinds: list[str], out: Path, seed: int, seconds: float, jobs: int, *, short: bool = False
) -> dict[str, list[Found]]:
    """Make tries in `jobs` lanes until the time is over. A lane is a process, so that it can copy itself. In the
    `short` form only the first tries of each kind, which the seed decides."""
    began = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    (out / LOG).unlink(missing_ok=True)
    for name in list(kinds):
        if words := KINDS[name].missing():
            print(f"{name}: left out, since {words}", flush=True)
            kinds.remove(name)
    made = world.make(out / "world")
    print(f"made the world in {time.monotonic() - began:.0f} s", flush=True)
    pids, parent = [], os.getpid()
    for lane in range(jobs):
        sys.stdout.flush()
        if not (pid := os.fork()):
            _end(partial(Lane(kinds, out, made, seed, lane, jobs, short=short).run, began + seconds), parent)
        pids.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    if any(codes):
        raise SystemExit("the harness itself failed; see above")
    return _read(out / LOG, kinds)


class Lane:
    """Every `jobs`-th try of each kind."""

    def __init__(
        self, kinds: list[str], out: Path, made: Path, seed: int, lane: int, jobs: int, *, short: bool
    ) -> None:
        self._short = short
        self._out, self._world, self._seed, self._jobs = out, made, seed, jobs
        self._next, self._spent = dict.fromkeys(kinds, lane), dict.fromkeys(kinds, 0.0)

    def run(self, until: float) -> None:
        """Always the kind that had the least of its share of the time."""
        while time.monotonic() < until:
            left = [kind for kind in self._spent if not self._short or self._next[kind] < KINDS[kind].few]
            if not left:
                return
            name = min(left, key=lambda kind: self._spent[kind] / KINDS[kind].share)
            began = time.monotonic()
            self._tries(name)
            self._spent[name] += time.monotonic() - began

    def _tries(self, name: str) -> None:
        kind, tries = KINDS[name], []
        for _ in range(kind.batch):
            number = self._next[name]
            self._next[name] += self._jobs
            place = self._out / "work" / f"{name}-{number}"
            tries.append(Try(f"{self._seed} {name} {number}", place, self._world))
        kind.prepare(tries)
        kind.attempt(tries)
        for one in tries:
            self._note(name, one)
            if one.found.faults:
                failures.keep(name, kind, one, self._out / "failures")
            shutil.rmtree(one.place, ignore_errors=True)

    def _note(self, name: str, one: Try) -> None:
        line = {"kind": name, "seed": one.seed, "about": one.about, **vars(one.found)}
        with (self._out / LOG).open("a") as log:
            log.write(json.dumps(line) + "\n")
        for column, faults in one.found.faults.items():
            print(f"{name} ({one.about}) {column}: {faults[0]}"[:500].replace("\x1b", "␛"), flush=True)


def _end(work: Callable[[], None], parent: int) -> None:
    """Do the work of a lane, which this process is for."""
    code = 1
    end_with_parent(parent)
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _read(log: Path, kinds: list[str]) -> dict[str, list[Found]]:
    found: dict[str, list[Found]] = {kind: [] for kind in kinds}
    for line in log.read_text().splitlines() if log.is_file() else ():
        one = json.loads(line)
        found[one["kind"]].append(Found(one["faults"], one["peak"], one["tries"]))
    return found
