"""Run the learning proof or its ablations: every step a `vz` command in a process of its own, as a user would run it.

    python -m tests.learning.prove --out runs/proof                        # Iterative-SPO and the shuffled control
    python -m tests.learning.prove --out runs/proof --arms ablations       # everything else, beside it

Steps that are done are not done again, so a stopped proof goes on by the same command. Writes `proof.json` with every
number and `proof.html` with the curves; exits with 1 when a claim does not hold.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stages.core.folder.files import write_json, write_text
from tests.learning.arms import ABLATIONS, ARMS, CURVE, DEV_FRACTION, JUDGED, PAIRS, PROOF, TEST_FRACTION, TEST_SEEDS
from tests.learning.page import page
from tests.learning.summary import claims, read_arm, summarise, table

VZ = (sys.executable, "-m", "vzcli.main")


@dataclass(frozen=True)
class Plan:
    """What is run, and where."""

    out: Path
    seeds: tuple[int, ...]
    arms: tuple[str, ...]
    rounds: int | None  # None: the recipe's

    def seed_folder(self, seed: int) -> Path:
        return self.out / f"seed-{seed}"

    def arm_folder(self, seed: int, arm: str) -> Path:
        return self.seed_folder(seed) / arm.replace(" ", "-")


def main(arguments: Sequence[str] | None = None) -> int:
    given = _arguments(arguments)
    arms = {"proof": PROOF, "ablations": ABLATIONS}.get(given.arms, tuple(given.arms.split(",")))
    unknown = [arm for arm in arms if arm not in ARMS]
    if unknown:
        print(f"no arm '{unknown[0]}'; there are {', '.join(ARMS)}", file=sys.stderr)
        return 2
    plan = Plan(given.out.resolve(), tuple(given.seeds), arms, given.rounds)
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
            seed: read_arm(plan.arm_folder(seed, arm), _evaluation(plan, seed, arm))
            for seed in seeds
            if (_evaluation(plan, seed, arm) / "evaluation.json").is_file()
        }
        for arm in ARMS
    }
    figures = summarise({arm: by_seed for arm, by_seed in read.items() if by_seed})
    checked = claims(figures) if set(PROOF) <= set(figures) else {}
    write_json(plan.out / "proof.json", {"arms": figures, "claims": checked})
    write_text(plan.out / "proof.html", page(figures, checked))
    print(table(figures))
    for claim, (holds, shown) in checked.items():
        print(f"{'holds ' if holds else 'FAILS '} {claim}: {shown}")
    print(f"\n{plan.out}/proof.json, {plan.out}/proof.html")
    return 0 if all(holds for holds, _ in checked.values()) else 1


def _evaluation(plan: Plan, seed: int, arm: str) -> Path:
    folder = plan.arm_folder(seed, arm)
    return folder.with_name(f"{folder.name}-evaluation")


def _prepare(plan: Plan, seed: int) -> None:
    """The start model and the pictures of a seed."""
    folder = plan.seed_folder(seed)
    one = ("--set", "init_model.processes=1", "--seed", str(seed))
    _vz(folder / "start.log", "init-model", "--out", str(folder / "start"), *one)
    pictures = {"pairs": PAIRS, "test_fraction": TEST_FRACTION, "dev_fraction": DEV_FRACTION, "processes": 1}
    settings = [word for name, value in pictures.items() for word in ("--set", f"games.{name}={value}")]
    _vz(folder / "games.log", "make-games", "--out", str(folder / "games"), "--seed", str(seed), *settings)


def _run_arm(plan: Plan, seed: int, arm: str, ready: Future[None]) -> None:
    ready.result()
    folder, out = plan.seed_folder(seed), plan.arm_folder(seed, arm)
    same = ("--seed", str(seed), "--set", f"model.path={folder / 'start'}")
    changed = [word for override in (*CURVE, *ARMS[arm]) for word in ("--set", override)]
    rounds = [] if plan.rounds is None else ["--rounds", str(plan.rounds)]
    log = out.with_name(f"{out.name}.log")
    _vz(log, "iterate", "--out", str(out), "--games", str(folder / "games"), *same, *changed, *rounds)
    judged = [word for override in JUDGED for word in ("--set", override)]
    evaluation = _evaluation(plan, seed, arm)
    _vz(log, "evaluate", str(folder / "games"), "--model", str(out), "--out", str(evaluation), *same, *judged)


_saying = threading.Lock()


def _vz(log: Path, *arguments: str) -> None:
    """A `vz` command on one thread, its output added to `log`; a failure stops the proof and shows its end."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with _saying:
        print("vz", *arguments[:3], "…", flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with log.open("ab") as output:
        done = subprocess.run([*VZ, *arguments], stdout=output, stderr=subprocess.STDOUT, env=environment, check=False)
    if done.returncode:
        end = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise SystemExit(f"vz {' '.join(arguments)} ended with {done.returncode}:\n{end}")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="prove", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/proof"))
    parser.add_argument("--arms", default="proof", help="proof, ablations, or names with commas between")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(TEST_SEEDS))
    parser.add_argument("--rounds", type=int, help="rounds of each run (recipe: iterate.rounds)")
    parser.add_argument("--workers", type=int, default=2, help="processes at once, a thread each")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
