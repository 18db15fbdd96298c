"""Training at TRL's speed and at vz's, on the same rows in one run: `make bench-train`.

(a) TRL's `GRPOTrainer` with the best of some micro-batches; (b) vz, each row by itself; (c) vz with prefix trees. Rows are votes (8 answers to one
prompt) or clues (10 prompts of a game); all weights train, or a LoRA adapter. Each arm has a process of its own. They
train one update in turn, so that a noisy machine disturbs all alike.

    python -m tests.train.bench --out runs/bench-train --games 4 --repeats 3
"""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from stages.core.folder.files import write_json
from tests.train.bench_rows import CLUES, SMALL, VOTES, Rows, build_model, described, make_rows

ROWS_OF_A_GAME = {"votes": VOTES, "clues": CLUES}
# Settings of vz's recipe for each arm but TRL's.
ARMS = {
    "(b) vz, row by row": ["train.tokens_per_batch=1", "train.share_prefixes=false"],
    "(c) vz, each prompt once": [],
}
BASELINE = "(a) TRL"


@dataclass
class Measured:
    """One arm on one kind of rows."""

    arm: str
    rows: str  # votes, clues
    weights: str  # all, lora
    micro_batch: int | None = None  # of TRL
    seconds: list[float] = field(default_factory=list)  # of each update
    cpu_seconds: list[float] = field(default_factory=list)  # of all threads, which other processes hardly change
    tokens: list[int] = field(default_factory=list)  # that trained in it
    gib: float = 0.0  # before an update
    peak_gib: float = 0.0  # in an update
    parts: dict[str, float] = field(default_factory=dict)  # seconds of the policy's forward passes in the last update
    gradient_error: float | None = None  # ‖g − g_b‖ / ‖g_b‖, of the first update

    @property
    def rate(self) -> float:
        """Tokens that train per second: the best of the repeats."""
        return max(tokens / seconds for tokens, seconds in zip(self.tokens, self.seconds, strict=True))


class Arm:
    """The process of an arm, which trains an update whenever it is told to."""

    def __init__(
        self,
        given: argparse.Namespace,
        rows: Rows,
        measured: Measured,
        update: int,
        name: str,
        settings: Sequence[str] = (),
    ) -> None:
        self.measured, self.name = measured, name
        command = [sys.executable, "-m", "tests.train.bench_arm", "--out", given.out, "--name", name]
        command += ["--model", rows.model, "--kept", rows.kept, "--rows", update, "--threads", given.threads]
        command += ["--lora"] if measured.weights == "lora" else []
        command += [] if measured.micro_batch is None else ["--micro-batch", measured.micro_batch]
        command += ["--set", *ARMS.get(measured.arm, []), *settings]
        with (given.out / f"{name}.log").open("w") as log:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(list(map(str, command)), stdin=pipe, stdout=pipe, stderr=log, text=True)

    def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} died: see {self.name}.log")
        told: dict[str, Any] = json.loads(line)
        return told

    def train(self, tokens: int) -> None:
        """The next update, of which `tokens` train."""
        self._say("go")
        told = self.answer()
        self.measured.seconds.append(told["seconds"])
        self.measured.cpu_seconds.append(told["cpu_seconds"])
        self.measured.tokens.append(tokens)
        self.measured.gib, self.measured.peak_gib = told["gib"], max(told["peak_gib"], self.measured.peak_gib)
        self.measured.parts = told["parts"]

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._say("")
            self._process.wait(60)


def main(arguments: Sequence[str] | None = None) -> int:
    given = _arguments(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    model = build_model(given.out / "model", SMALL)
    measured, lengths = [], {}
    for kind in given.rows:
        rows = _rows(given.out / kind, model, kind, given.games * (given.repeats + 1))
        lengths[kind] = described(rows)
        for weights in given.weights:
            measured += measure(given, rows, kind, weights)
            body = {"date": datetime.date.today().isoformat(), "settings": _plain(given), "lengths": lengths}
            write_json(given.out / "bench.json", {**body, "arms": [asdict(arm) for arm in measured]})
    print(report(measured))
    return 0


def measure(given: argparse.Namespace, rows: Rows, kind: str, weights: str) -> list[Measured]:
    """All arms, `repeats` updates each in turn. The first update, which also loads everything, warms them up."""
    update = given.games * ROWS_OF_A_GAME[kind]
    tokens = tokens_of(rows, update)
    micro_batch = best_micro_batch(given, rows, kind, weights)
    arms = [Measured(BASELINE, kind, weights, micro_batch), *(Measured(arm, kind, weights) for arm in ARMS)]
    with ExitStack() as stack:
        live = [stack.enter_context(Arm(given, rows, arm, update, f"{kind}-{weights}-{arm.arm[1]}")) for arm in arms]
        for arm in live:
            arm.answer()
        for number in range(1, given.repeats + 1):
            for arm in live:
                arm.train(tokens[number])
    for arm in live:
        if arm.measured.arm != BASELINE or weights == "all":  # TRL draws other weights for an adapter
            arm.measured.gradient_error = _apart(given.out, arm.name, live[1].name)
    return arms


def best_micro_batch(given: argparse.Namespace, rows: Rows, kind: str, weights: str) -> int:
    """TRL's fastest micro-batch, each tried with a small update."""
    if len(given.micro_batches) == 1:
        return int(given.micro_batches[0])
    tried, size = [], max(given.micro_batches)
    tokens = tokens_of(rows, size)
    for micro_batch in given.micro_batches:
        measured = Measured(BASELINE, kind, weights, micro_batch)
        with Arm(given, rows, measured, size, f"{kind}-{weights}-a-{micro_batch}") as arm:
            arm.answer()
            arm.train(tokens[1])
        tried.append(measured)
    return max(tried, key=lambda one: one.rate).micro_batch or 1


def _rows(folder: Path, model: Path, kind: str, games: int) -> Rows:
    return make_rows(folder, model, kind, games)


def tokens_of(rows: Rows, update: int) -> list[int]:
    """Tokens that train in each update."""
    import polars as pl

    key = ["game_id", "turn", "sample"]
    kept = pl.read_parquet(rows.kept / "kept.parquet", columns=key)
    played = pl.read_parquet(rows.rollouts / "part-*.parquet", columns=[*key, "completion_ids"])
    lengths = kept.join(played, on=key, maintain_order="left")["completion_ids"].list.len().to_list()
    return [sum(lengths[start : start + update]) for start in range(0, len(lengths), update)]


def _apart(out: Path, one: str, other: str) -> float:
    """‖g − g_b‖ / ‖g_b‖."""
    import torch

    ours, theirs = (torch.load(out / f"{name}.gradient") for name in (one, other))
    if ours.keys() != theirs.keys():
        raise SystemExit(f"{one} and {other} train other weights: {sorted(ours.keys() ^ theirs.keys())[:4]}")
    apart = sum(float((ours[name] - theirs[name]).double().pow(2).sum()) for name in ours)
    whole = sum(float(value.double().pow(2).sum()) for value in theirs.values())
    return (apart / whole) ** 0.5


def report(measured: Sequence[Measured]) -> str:
    """A line an arm. Ratios are medians over the repeats, each beside TRL's: of time, and of the processor's time."""
    head = ["rows", "weights", "arm", "tokens/s", "of (a)", "of (a), by processor time", "peak GiB", "of it before"]
    head += ["forward: tower", "language model"]
    lines = [_line([*head, "gradient error"]), "|---" * (len(head) + 1) + "|"]
    for arm in measured:
        beside = next(one for one in measured if (one.arm, one.rows, one.weights) == (BASELINE, arm.rows, arm.weights))
        ratios = [_ratio(arm.seconds, beside.seconds), _ratio(arm.cpu_seconds, beside.cpu_seconds)]
        name = arm.arm if arm.micro_batch is None else f"{arm.arm}, micro-batch {arm.micro_batch}"
        error = "–" if arm.gradient_error is None else f"{arm.gradient_error:.0e}"
        memory = [f"{arm.peak_gib:.2f}", f"{arm.gib:.2f}"]
        memory += [f"{arm.parts[part] / arm.seconds[-1]:.0%}" for part in ("tower", "language model")]
        lines.append(_line([arm.rows, arm.weights, name, f"{arm.rate:,.1f}", *ratios, *memory, error]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ratio(own: Sequence[float], theirs: Sequence[float]) -> str:
    ratios = sorted(other / one for one, other in zip(own, theirs, strict=True))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} … {ratios[-1]:.2f})"


def _plain(given: argparse.Namespace) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(given).items()}


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", nargs="+", choices=tuple(ROWS_OF_A_GAME), default=list(ROWS_OF_A_GAME))
    parser.add_argument("--weights", nargs="+", choices=("all", "lora"), default=["all", "lora"])
    parser.add_argument(
        "--games", type=int, default=4, help="of an update; with TRL's micro-batch of 8 a multiple of 4"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--micro-batches", nargs="+", type=int, default=[1, 2, 4, 8], help="of TRL, to choose from")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
