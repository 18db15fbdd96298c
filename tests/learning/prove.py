"""Run the learning proof or its ablations: every step a `vz` command in a process of its own, as a user would run it.

    python -m tests.learning.prove --out runs/proof                        # Iterative-SPO and the shuffled control
    python -m tests.learning.prove --out runs/proof --arms ablations       # everything else, beside it
    python -m tests.learning.prove --out runs/english --rung english       # with a real language model

Steps that are done are not done again, so a stopped proof goes on by the same command. Writes `proof.json` with every
number and `proof.html` with the curves; exits with 1 when a claim does not hold.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stages.core.folder.files import write_json, write_text
from tests.learning.arms import ABLATIONS, ARMS, PROOF
from tests.learning.page import page
from tests.learning.rungs import RUNGS, Rung
from tests.learning.summary import claims, read_arm, summarise, table

VZ = (sys.executable, "-m", "vzcli")


@dataclass(frozen=True)
class Plan:
    """What is run, and where."""

    out: Path
    rung: Rung
    seeds: tuple[int, ...]
    arms: tuple[str, ...]
    rounds: int | None  # None: the recipe's
    settings: tuple[str, ...] = ()  # of the recipe, in every step

    def seed_folder(self, seed: int) -> Path:
        return self.out / f"seed-{seed}"

    def arm_folder(self, seed: int, arm: str) -> Path:
        return self.seed_folder(seed) / arm.replace(" ", "-")

    def start(self, seed: int) -> Path:
        return (self.seed_folder(seed) if self.rung.start_by_seed else self.out) / "start"


def main(arguments: Sequence[str] | None = None) -> int:
    given = _arguments(arguments)
    arms = {"proof": PROOF, "ablations": ABLATIONS}.get(given.arms, tuple(given.arms.split(",")))
    unknown = [arm for arm in arms if arm not in ARMS]
    if unknown:
        print(f"no arm '{unknown[0]}'; there are {', '.join(ARMS)}", file=sys.stderr)
        return 2
    rung = RUNGS[given.rung]
    plan = Plan(given.out.resolve(), rung, tuple(given.seeds or rung.seeds), arms, given.rounds, tuple(given.set))
    run(plan, given.workers)
    return report(plan)


def run(plan: Plan, workers: int) -> None:
    """All steps, `workers` at once. A seed's arms wait for its preparation, which every seed begins before any arm."""
    with ThreadPoolExecutor(workers) as pool:
        ready = {seed: pool.submit(_prepare, plan, seed) for seed in plan.seeds}
        arms = [pool.submit(_run_arm, plan, seed, arm, ready[seed]) for seed in plan.seeds for arm in plan.arms]
        for one in arms:
            one.result()


def report(plan: Plan) -> int:
    """Summarise all that lies in the folder, also what earlier calls did: each arm over the seeds that it has."""
    seeds = sorted(int(folder.name.removeprefix("seed-")) for folder in plan.out.glob("seed-*"))
    read = {
        arm: {
            seed: read_arm(
                plan.arm_folder(seed, arm), _beside(plan, seed, arm, "evaluation"), _abilities(plan, seed, arm)
            )
            for seed in seeds
            if (_beside(plan, seed, arm, "evaluation") / "evaluation.json").is_file()
        }
        for arm in ARMS
    }
    figures = summarise({arm: by_seed for arm, by_seed in read.items() if by_seed})
    checked = claims(figures, plan.rung) if set(PROOF) <= set(figures) else {}
    write_json(plan.out / "proof.json", {"arms": figures, "claims": checked})
    write_text(plan.out / "proof.html", page(figures, checked))
    print(table(figures))
    for claim, (holds, shown) in checked.items():
        print(f"{'holds ' if holds else 'FAILS '} {claim}: {shown}")
    print(f"\n{plan.out}/proof.json, {plan.out}/proof.html")
    return 0 if all(holds for holds, _ in checked.values()) else 1


def _beside(plan: Plan, seed: int, arm: str, what: str) -> Path:
    folder = plan.arm_folder(seed, arm)
    return folder.with_name(f"{folder.name}-{what}")


def _abilities(plan: Plan, seed: int, arm: str) -> tuple[Path, Path] | None:
    """Where those of the start model and of an arm's policy are written."""
    if not plan.rung.abilities:
        return None
    return plan.seed_folder(seed) / "start-abilities.json", _beside(plan, seed, arm, "abilities.json")


def _prepare(plan: Plan, seed: int) -> None:
    """The start model and the pictures of a seed."""
    folder, start = plan.seed_folder(seed), plan.start(seed)
    own = ("--seed", str(seed)) if plan.rung.start_by_seed else ()
    with _making[start]:
        log = start.with_name("start.log")
        _vz(plan, log, "init-model", "--out", str(start), *own, *_set("init_model.processes=1"))
    pictures = [f"games.{name}={value}" for name, value in plan.rung.pictures.items()]
    out = ("--out", str(folder / "games"), "--seed", str(seed))
    _vz(plan, folder / "games.log", "make-games", *out, *_set(*pictures, "games.processes=1"))
    if plan.rung.abilities:
        _measure(plan, seed, start, folder / "start-abilities.json")


def _run_arm(plan: Plan, seed: int, arm: str, ready: Future[None]) -> None:
    ready.result()
    games, out = plan.seed_folder(seed) / "games", plan.arm_folder(seed, arm)
    same = ("--seed", str(seed), *_set(f"model.path={plan.start(seed)}"))
    rounds = [] if plan.rounds is None else ["--rounds", str(plan.rounds)]
    log = out.with_name(f"{out.name}.log")
    changed = _set(*plan.rung.curve, *ARMS[arm])
    _vz(plan, log, "iterate", "--out", str(out), "--games", str(games), *same, *changed, *rounds)
    judged = ("--model", str(out), "--out", str(_beside(plan, seed, arm, "evaluation")))
    _vz(plan, log, "evaluate", str(games), *judged, *same, *_set(*plan.rung.judged))
    if plan.rung.abilities:
        _measure(plan, seed, out, _beside(plan, seed, arm, "abilities.json"))


def _measure(plan: Plan, seed: int, model: Path, out: Path) -> None:
    """What a model can do besides the game, in a process of its own."""
    if out.is_file():
        return
    where = ("--model", str(model), "--games", str(plan.seed_folder(seed) / "games"), "--out", str(out))
    _command(out.with_suffix(".log"), (sys.executable, "-m", "tests.learning.abilities", *where))


def _set(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


_making: dict[Path, threading.Lock] = defaultdict(threading.Lock)  # start models that several seeds share
_saying = threading.Lock()


def _vz(plan: Plan, log: Path, *arguments: str) -> None:
    _command(log, (*VZ, *arguments, "--recipe", plan.rung.recipe, *_set(*plan.settings)))


def _command(log: Path, command: Sequence[str]) -> None:
    """A command on one thread, its output added to `log`; a failure stops the proof and shows its end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with _saying:
        print(*command[2:6], "…", flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with log.open("ab") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode:
        end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{end}")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="prove", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/proof"))
    parser.add_argument("--rung", default="tiny", choices=RUNGS, help="the tiny model, or a real language model")
    parser.add_argument("--arms", default="proof", help="proof, ablations, or names with commas between")
    parser.add_argument("--seeds", type=int, nargs="+", help="of scenes, games and training")
    parser.add_argument("--rounds", type=int, help="rounds of each run (recipe: iterate.rounds)")
    parser.add_argument("--set", action="append", default=[], help="a field of the recipe, in every step; repeatable")
    parser.add_argument("--workers", type=int, default=2, help="processes at once, a thread each")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
