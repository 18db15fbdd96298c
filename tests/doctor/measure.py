"""Estimated memory and time of training against what real trainings use: `make check-estimates`.

Each case trains in a process of its own: two updates, each of several batches of games with 8 votes, on a model of
random weights. Seconds are those of the processor in the updates, so that other work on the machine hardly counts.

On a CPU the peak is VmHWM, from the moment when the policy is loaded, less what is resident before. While a base is
packed into 4 bits, the file that it comes from is mapped: those pages count as resident, though anything else may have
them. glibc returns freed blocks at once
(M_MMAP_THRESHOLD; the variable MALLOC_MMAP_THRESHOLD_ does the same), so it is the peak of what is held at one time. On
a GPU it is `torch.cuda.max_memory_allocated`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import polars as pl
import torch

from stages import train
from stages.core.clock import clock
from stages.core.estimate.forecast import setup_of
from stages.core.estimate.machine import Machine, found_here
from stages.core.estimate.seconds import training_seconds
from stages.core.estimate.training import Memory, Shape, training_memory
from stages.core.estimate.workload import Phase, workload_of
from stages.core.folder.files import write_json
from stages.core.recipe import Recipe
from stages.core.vlm import loading
from stages.core.vlm.size import size_of
from stages.train import training
from stages.train.tree import padded
from tests.doctor import models
from tests.doctor.rows import VOTES, write_rows

# What a training imports. Each process starts with it, so that its memory counts for nothing.
PRELOADED = ["tests.doctor.measure", "stages.train.training", "stages.train.export", "peft", "transformers.models.auto"]
PRELOADED += [name for name in ("bitsandbytes", "torchvision") if find_spec(name)]
ANSWER = 27  # tokens
WORDS = {"llava": 120, "qwen": 130}  # of a prompt, so that trees have about 550 tokens
BATCHES = 4  # in both updates; from the second on, gradients are there when a batch begins
LORA = {"rank": 16, "alpha": 32}
MIB = 1 << 20


@dataclass(frozen=True)
class Case:
    """A training to estimate and to measure."""

    model: str  # family, width, layers
    kind: str  # full, lora, 4bit
    tokens: int  # train.tokens_per_batch
    optimizer: str = "adamw"
    checkpointing: bool = True

    @property
    def games(self) -> int:
        """In both updates."""
        return BATCHES * self.tokens // ONE

    @property
    def name(self) -> str:
        parts = [self.model, self.kind, str(self.tokens)]
        parts += [self.optimizer] * (self.optimizer != "adamw") + ["kept"] * (not self.checkpointing)
        return "-".join(parts)


ONE, TWO = 600, 1200  # tokens of a batch: one tree, or two
CASES = [
    *(Case("llava-512-6", kind, tokens) for kind in ("full", "lora", "4bit") for tokens in (ONE, TWO)),
    *(Case("llava-768-10", kind, tokens) for kind, tokens in (("full", TWO), ("lora", TWO), ("4bit", ONE))),
    Case("llava-768-10", "full", ONE, "adamw_8bit"),
    *(Case("qwen-512-8", kind, tokens) for kind in ("full", "lora") for tokens in (ONE, TWO)),
    Case("qwen-512-8", "lora", ONE, checkpointing=False),
]


@dataclass(frozen=True)
class Result:
    """Bytes and seconds."""

    case: str
    weights: int
    estimated: int
    measured: int
    estimated_seconds: float
    seconds: float
    moment: str

    @property
    def error(self) -> float:
        return self.estimated / self.measured - 1


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/check-estimates"))
    parser.add_argument("--only", default="", help="cases whose name contains this")
    given = parser.parse_args(arguments)
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    results = []
    for case in (case for case in CASES if given.only in case.name):
        with ProcessPoolExecutor(1, mp_context=context) as process:
            results.append(process.submit(compare, case, given.out).result())
        print(shown(results[-1]), flush=True)
    worst = max(results, key=lambda result: abs(result.error))
    body = {"date": date.today().isoformat(), "results": [asdict(result) for result in results]}
    write_json(given.out / f"estimates-{given.only or 'all'}.json", body)
    print(f"largest error of memory: {worst.error:+.1%} ({worst.case})")
    return 0 if abs(worst.error) <= 0.1 else 1


def compare(case: Case, out: Path) -> Result:
    """Measure a training in this process, which does nothing else, and estimate it."""
    model, rows = prepare(case, out)
    peak, seconds, machine = train_one(case, model, rows, out)
    memory, expected, weights = estimate(case, model, rows, machine)
    return Result(case.name, weights, memory.total, peak, expected, seconds, f"{memory.moment}: {memory.terms}")


def prepare(case: Case, out: Path) -> tuple[Path, Path]:
    """The model and its rows, made once."""
    family, width, layers = case.model.split("-")
    model, rows = out / case.model, out / f"{case.model}-{case.games}-games"
    if not model.is_dir():
        {"llava": models.llava, "qwen": models.qwen}[family](model, int(width), int(layers))
    if not rows.is_dir():
        write_rows(rows, recipe_of(model, case), model, case.games, WORDS[family], ANSWER)
    return model, rows


def recipe_of(model: Path, case: Case) -> Recipe:
    lora = None if case.kind == "full" else LORA
    train = {"tokens_per_batch": case.tokens, "optimizer": case.optimizer, "rows_per_update": case.games // 2 * VOTES}
    train |= {"gradient_checkpointing": case.checkpointing, "logprob_gap_limit": 1e9, "effective_tokens_limit": 0.0}
    policy = {"path": str(model.resolve()), "dtype": "float32", "lora": lora}
    policy |= {"quantization": "4bit"} if case.kind == "4bit" else {}
    return Recipe.model_validate({"threads": 1, "model": policy, "train": train})


def estimate(case: Case, model: Path, rows: Path, machine: Machine) -> tuple[Memory, float, int]:
    """The training's memory, its seconds, and the model's weights."""
    recipe = recipe_of(model, case)
    size = size_of(model, recipe.model)
    look = workload_of(recipe, size, model).look
    prompt = pl.read_parquet(rows / "rollouts" / "part-*.parquet")["prompt_tokens"].max()
    games = max(1, case.tokens // (prompt + VOTES * (ANSWER - 1)))  # in a batch
    answers = games * VOTES * ANSWER
    setup = setup_of(recipe, machine, (False, False))
    shape = Shape(
        tokens=padded(games * prompt + answers - games * VOTES),
        answers=answers,
        longest=prompt + ANSWER - 1,
        paths=games * VOTES * (prompt + ANSWER - 1),
        patches=games * look.patches,
        features=case.games * look.tokens,
    )
    phase = Phase(VOTES, prompt, prompt, prompt, ANSWER, ANSWER)
    seconds = training_seconds(size, setup, machine, phase, case.games, 1, look, True)
    return training_memory(size, setup, shape), seconds, size.weights


def train_one(case: Case, model: Path, rows: Path, out: Path) -> tuple[int, float, Machine]:
    """The peak of a training in bytes, the seconds of its updates, and the machine."""
    recipe, folder = recipe_of(model, case), out / "checkpoint"
    machine = found_here(recipe)
    for place in (folder, Path(f"{folder}-state")):
        shutil.rmtree(place, ignore_errors=True)
    loading.MALLOC_OPTIONS = {-1: 1 << 16, -3: 1 << 16}
    loading.set_threads(recipe.threads)
    loading.load_processor(model, recipe.model)  # and the libraries that it needs
    before = _resident()
    make = training.make_optimizer
    training.make_optimizer = lambda *given: (_forget_peak(), make(*given))[1]
    clock._now = time.process_time
    clock.start()
    train.run(recipe, rows / "kept", folder, rollouts=rows / "rollouts", games=rows / "games")
    seconds = clock.lap().optimizer
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated(), seconds, machine
    return _peak() - before, seconds, machine


def shown(result: Result) -> str:
    return (
        f"{result.case:30} {result.weights / 1e6:6.1f} M  estimated {result.estimated / MIB:6.0f} MiB  measured "
        f"{result.measured / MIB:6.0f} MiB  {result.error:+6.1%}   {result.estimated_seconds:5.1f} s of {result.seconds:5.1f} s"
        f"\n    {result.moment}"
    )


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _peak() -> int:
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    sys.exit(main())
