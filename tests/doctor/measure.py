"""Estimated memory and time of training against what real trainings use: `make check-estimates`.

Each case trains in a process of its own: two updates, each of several batches of games with 8 votes, on a model of
random weights. Seconds are those of the processor in the updates, so that other work on the machine hardly counts.

On a CPU the peak is `ru_maxrss` less what is resident before the model loads. glibc returns freed blocks at once
(M_MMAP_THRESHOLD; the variable MALLOC_MMAP_THRESHOLD_ does the same), so it is the peak of what is held at one time. On
a GPU it is `torch.cuda.max_memory_allocated`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

from stages.core.folder.files import write_json
from stages.core.recipe import Recipe
from tests.doctor.rows import VOTES, write_rows

ANSWER = 27  # tokens
WORDS = {"llava": 120, "qwen": 130}  # of a prompt, so that trees have about 550 tokens
GAMES = 8  # in both updates
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
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.one:
        print(json.dumps(train_one(Case(**given.one["case"]), given.out)))
        return 0
    results = []
    for case in (case for case in CASES if given.only in case.name):
        results.append(compare(case, given.out))
        print(shown(results[-1]), flush=True)
    worst = max(results, key=lambda result: abs(result.error))
    body = {"date": date.today().isoformat(), "results": [asdict(result) for result in results]}
    write_json(given.out / f"estimates-{given.only or 'all'}.json", body)
    print(f"largest error of memory: {worst.error:+.1%} ({worst.case})")
    return 0 if abs(worst.error) <= 0.1 else 1


def compare(case: Case, out: Path) -> Result:
    """Estimate in this process, measure in another."""
    model, rows = prepare(case, out)
    one = json.dumps({"case": asdict(case)})
    command = [sys.executable, "-m", "tests.doctor.measure", "--out", str(out), "--one", one]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    memory, seconds, weights = estimate(case, model, rows, found)
    return Result(
        case.name, weights, memory.total, found["peak"], seconds, found["seconds"], f"{memory.moment}: {memory.terms}"
    )


def prepare(case: Case, out: Path) -> tuple[Path, Path]:
    """The model and its rows, made once."""
    from tests.doctor import models

    family, width, layers = case.model.split("-")
    model, rows = out / case.model, out / f"{case.model}-rows"
    if not model.is_dir():
        {"llava": models.llava, "qwen": models.qwen}[family](model, int(width), int(layers))
    if not rows.is_dir():
        write_rows(rows, recipe_of(model, case), model, GAMES, WORDS[family], ANSWER)
    return model, rows


def recipe_of(model: Path, case: Case) -> Recipe:
    lora = None if case.kind == "full" else LORA
    train = {"tokens_per_batch": case.tokens, "optimizer": case.optimizer, "rows_per_update": GAMES // 2 * VOTES}
    train |= {"gradient_checkpointing": case.checkpointing, "logprob_gap_limit": 1e9, "effective_tokens_limit": 0.0}
    policy = {"path": str(model.resolve()), "dtype": "float32", "lora": lora}
    policy |= {"quantization": "4bit"} if case.kind == "4bit" else {}
    return Recipe.model_validate({"threads": 1, "model": policy, "train": train})


def estimate(case: Case, model: Path, rows: Path, found: dict[str, Any]) -> tuple[Any, float, int]:
    """The training's memory, its seconds, and the model's weights."""
    import polars as pl

    from stages.core.estimate.forecast import setup_of
    from stages.core.estimate.machine import Machine
    from stages.core.estimate.seconds import training_seconds
    from stages.core.estimate.training import Shape, training_memory
    from stages.core.estimate.workload import Phase, workload_of
    from stages.core.vlm.size import size_of
    from stages.train.tree import padded

    recipe = recipe_of(model, case)
    size = size_of(model, recipe.model)
    machine = Machine(**found["machine"])
    look = workload_of(recipe, size, model).look
    prompt = pl.read_parquet(rows / "rollouts" / "part-*.parquet")["prompt_tokens"].max()
    tree = prompt + VOTES * (ANSWER - 1)
    trees = max(1, min(2, case.tokens // padded(tree)))
    setup = setup_of(recipe, machine, (False, False))
    shape = Shape(trees * padded(tree), trees * VOTES * ANSWER, padded(tree), trees * look.patches, 4 * look.tokens)
    phase = Phase(VOTES, prompt, prompt, prompt, ANSWER, ANSWER)
    seconds = training_seconds(size, setup, machine, phase, GAMES, 1, look, True)
    return training_memory(size, setup, shape), seconds, size.weights


def train_one(case: Case, out: Path) -> dict[str, Any]:
    """In a process of its own: train, and measure the peak."""
    import peft  # noqa: F401
    import torch
    from transformers import AutoModelForImageTextToText  # noqa: F401

    from stages import train
    from stages.core.clock import clock
    from stages.core.estimate.machine import found_here
    from stages.core.vlm import loading
    from stages.train import export, training  # noqa: F401

    loading.MALLOC_OPTIONS = {-1: 1 << 16, -3: 1 << 16}
    model, rows = prepare(case, out)
    recipe, folder = recipe_of(model, case), out / "checkpoint"
    machine = replace(found_here(recipe), name="measured")
    for place in (folder, Path(f"{folder}-state")):
        shutil.rmtree(place, ignore_errors=True)
    loading.set_threads(recipe.threads)
    loading.load_processor(model, recipe.model)  # and the libraries that it needs
    if case.kind == "4bit" or case.optimizer == "adamw_8bit":
        import_module("bitsandbytes")
    before = _resident()
    clock._now = time.process_time
    clock.start()
    train.run(recipe, rows / "kept", folder, rollouts=rows / "rollouts", games=rows / "games")
    on_gpu = torch.cuda.is_available()
    peak = (
        torch.cuda.max_memory_allocated()
        if on_gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    )
    return {"peak": peak, "seconds": clock.lap().optimizer, "machine": asdict(machine)}


def shown(result: Result) -> str:
    return (
        f"{result.case:30} {result.weights / 1e6:6.1f} M  estimated {result.estimated / MIB:6.0f} MiB  measured "
        f"{result.measured / MIB:6.0f} MiB  {result.error:+6.1%}   {result.estimated_seconds:5.1f} s of {result.seconds:5.1f} s"
        f"\n    {result.moment}"
    )


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())
