"""Training on a GPU with random weights of Qwen2.5-VL-7B's shape, in half an hour: `make bench-gpu-train`.

Each step runs in a process of its own, and one that fails or takes too long does not end the others:
training with each row by itself, with shared beginnings, and with TRL (seconds a row, peak memory, memory afterwards);
the sampler's log-probs compared with the trainer's; a step of the transformers engine with and without an adapter;
writing, reading and exporting a state; FSDP 2 in one process; what vz says when memory runs out; the tests for a GPU.
The small shape tries the command on a CPU; so does a tiny LLaVA, which needs no torchvision:

    python -m tests.train.bench_gpu --out runs/bench-gpu-train --shape tiny --games 1 --tokens 4 --batch 4 --rank 8
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from stages import filter as filter_stage
from stages import rollout, score, train
from stages.core.engines import open_engine
from stages.core.engines.base import Request, Sampling
from stages.core.errors import VzError
from stages.core.folder import artifact
from stages.core.folder.files import read_json, write_json
from stages.core.pictures import Picture, picture_hashes
from stages.core.recipe import Recipe
from tests.rollout.bench_gpu import SEVEN_BILLION
from tests.train.bench import BASELINE, Arm, Measured, tokens_of
from tests.train.bench_rows import CLUES, SMALL, VOTES, Rows, build_model, make_rows, recipe_of
from tests.train.world import build_llava

MINUTES = 30
LORA = "model.lora={rank: 64}"
ALONE = ["train.tokens_per_batch=1", "train.share_prefixes=false"]
ARMS = {
    "each row by itself": ALONE,
    "shared, 4096 tokens at once": ["train.tokens_per_batch=4096"],
    "shared, 16384 tokens at once": ["train.tokens_per_batch=16384"],
}
SHAPES: dict[str, dict[str, Any]] = {"7b": SEVEN_BILLION, "small": SMALL, "tiny": {}}
NEVER = 10**9  # tokens at once: more than any memory holds
Found = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    given = _arguments(arguments)
    if given.step:
        write_json(given.out / f"{given.step}.json", STEPS[given.step](given))
        return 0
    given.out.mkdir(parents=True, exist_ok=True)
    ends, found = time.monotonic() + 60 * given.minutes, {}
    for step in given.only or STEPS:
        found[step] = in_a_process(given, step, ends - time.monotonic())
        print(f"{step}: {json.dumps(found[step])}", flush=True)
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
        head = {"date": datetime.date.today().isoformat(), "device": device, "torch": torch.__version__}
        write_json(given.out / "bench.json", {**head, "shape": given.shape, "steps": found})
    return int(any("failed" in result for result in found.values()))


def in_a_process(given: argparse.Namespace, step: str, seconds: float) -> Found:
    """What the step found, or how it failed; its output is in a log."""
    place = given.out / f"{step}.json"
    place.unlink(missing_ok=True)
    if seconds <= 0:
        return {"failed": f"no time left of {given.minutes} minutes"}
    command = [
        sys.executable,
        "-m",
        "tests.train.bench_gpu",
        "--step",
        step,
        "--out",
        given.out,
        "--shape",
        given.shape,
    ]
    command += ["--games", given.games, "--tokens", given.tokens, "--batch", given.batch, "--rank", given.rank]
    log = given.out / f"{step}.log"
    began = time.monotonic()
    with log.open("w") as output:
        try:
            subprocess.run(list(map(str, command)), stdout=output, stderr=output, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            return {"failed": "no time left"}
    if not place.is_file():
        return {"failed": log.read_text().strip().splitlines()[-1:] or ["it wrote nothing"], "log": str(log)}
    return {**read_json(place), "seconds_in_all": round(time.monotonic() - began, 1)}


def prepare(given: argparse.Namespace) -> Found:
    """The model, and rows of both phases for a warm-up and two updates."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        if given.shape == "tiny":
            model = build_llava(given.out / "model")
        else:
            model = build_model(given.out / "model", SHAPES[given.shape], getattr(torch, _dtype(given)))
    for kind in ("votes", "clues"):
        make_rows(given.out / kind, model, kind, 3 * given.games)
    weights = sum(file.stat().st_size for file in model.glob("*.safetensors"))
    return {"weights_gib": round(weights / 2**30, 2)}


def training(given: argparse.Namespace) -> Found:
    """Every arm, with an adapter: seconds a row and of the tower's passes, GiB at most and between updates."""
    return {
        f"{kind}, {name}": arm(given, kind, name, settings)
        for kind in ("votes", "clues")
        for name, settings in ARMS.items()
    }


def trl(given: argparse.Namespace) -> Found:
    """TRL's trainer on the same rows."""
    return {f"{kind}, micro-batch {size}": arm(given, kind, size, []) for kind in ("votes", "clues") for size in (1, 4)}


def arm(given: argparse.Namespace, kind: str, name: str | int, settings: list[str]) -> Found:
    size = given.games * {"votes": VOTES, "clues": CLUES}[kind]
    micro_batch = name if isinstance(name, int) else None
    if micro_batch and size % micro_batch:
        return {"left out": f"{size} rows do not divide by {micro_batch}"}
    measured = Measured(BASELINE if micro_batch else str(name), kind, "lora", micro_batch)
    settings = [*settings, f"model.dtype={_dtype(given)}"]
    place = f"{kind}-{name}".replace(",", "").replace(" ", "-")
    try:
        with Arm(given, _rows(given, kind), measured, size, place, settings) as live:
            live.answer()
            for tokens in tokens_of(_rows(given, kind), size)[1:3]:
                live.train(tokens)
    except SystemExit as error:
        return {"failed": str(error)}
    whole = asdict(measured)
    return {
        "seconds_a_row": min(measured.seconds) / size,
        "tokens_per_second": measured.rate,
        **{name: whole[name] for name in ("gib", "peak_gib", "parts")},
    }


def gap(given: argparse.Namespace) -> Found:
    """How far the transformers engine's log-probs are from the trainer's, on the rows of a real play."""
    sizes = [f"rollout.{bound}_{kind}_tokens={given.tokens}" for bound in ("min", "max") for kind in ("clue", "vote")]
    recipe = _recipe(given, [LORA, "rollout.engine=transformers", *sizes, "train.correction=token_truncate"])
    games, out = given.out / "votes/games", given.out / "played"
    with open_engine(recipe) as engine:
        model = given.out / "model"
        engine.load("current", model, artifact.content_hash(model)[:12])
        rollout.run(recipe, games, out / "rollouts", split=None, engine=engine, models={"current": model})
    score.run(recipe, out / "rollouts", out / "scored")
    filter_stage.run(recipe, out / "scored", out / "kept", phase="decision")
    counts = train.run(recipe, out / "kept", out / "checkpoint").counts
    return {name: counts[name] for name in ("logprob_gap_mean", "logprob_gap_tail", "logprob_gap_max")}


def state(given: argparse.Namespace) -> Found:
    """Train from nothing and once more from the state: what the calls take besides training."""
    lora, rows = f"model.lora={{rank: {given.rank}}}", _rows(given, "votes")
    recipe, found = _recipe(given, [lora, "train.tokens_per_batch=4096"]), {}
    first = train.run(recipe, rows.kept, given.out / "checkpoint-1")
    found["without_a_state"] = first.timings
    before = Path(f"{first.out}-state")
    second = train.run(recipe, rows.kept, given.out / "checkpoint-2", model=first.out, state_in=before)
    found["from_a_state"] = second.timings
    found["state_gib"] = sum(file.stat().st_size for file in before.rglob("*") if file.is_file()) / 2**30
    return found


def engine(given: argparse.Namespace) -> Found:
    """Milliseconds of a step of the transformers engine at a full batch, with and without an adapter."""
    found = {}
    for name, settings, policy in (("base", [], given.out / "model"), ("adapter", [LORA], _adapter(given))):
        recipe = _recipe(given, ["rollout.engine=transformers", f"rollout.batch_size={given.batch}", *settings])
        with open_engine(recipe) as live:
            live.load("current", policy, artifact.content_hash(policy)[:12])
            live.run(live.generate(_request(given, recipe, 2)))
            began = time.perf_counter()
            live.run(live.generate(_request(given, recipe, given.tokens)))
            found[f"{name}_ms_a_step"] = 1000 * (time.perf_counter() - began) / given.tokens
    return found


def fsdp(given: argparse.Namespace) -> Found:
    """Training through torchrun in one process: sharded on a GPU, whole on a CPU."""
    file = "fsdp2" if torch.cuda.is_available() else "ddp"
    recipe = _recipe(given, [LORA, f"train.accelerate_config={file}", "train.tokens_per_batch=4096"])
    report = train.run(recipe, _rows(given, "votes").kept, given.out / "sharded")
    return {"accelerate_config": file, "loss": report.counts["loss"], "timings": report.timings}


def memory(given: argparse.Namespace) -> Found:
    """What vz says when the GPU's memory runs out."""
    if not torch.cuda.is_available():
        return {"left out": "no GPU"}
    settings = [LORA, f"train.tokens_per_batch={NEVER}", "train.share_prefixes=false"]
    recipe = _recipe(given, [*settings, "train.gradient_checkpointing=false"])
    try:
        train.run(recipe, _rows(given, "clues").kept, given.out / "too-large")
    except (VzError, RuntimeError) as error:
        return {"raised": type(error).__name__, "said": str(error)}
    return {"failed": "memory did not run out"}


def tests(given: argparse.Namespace) -> Found:
    """`make test-gpu`; without a GPU there is nothing to run."""
    if not torch.cuda.is_available():
        return {"left out": "no GPU"}
    ran = subprocess.run([sys.executable, "-m", "pytest", "-q", "-m", "gpu"], capture_output=True, text=True)
    last = ran.stdout.strip().splitlines()[-1:]
    return {"passed": last} if ran.returncode == 0 else {"failed": last}


STEPS: dict[str, Callable[[argparse.Namespace], Found]] = {
    step.__name__: step for step in (prepare, training, trl, gap, state, engine, fsdp, memory, tests)
}


def _rows(given: argparse.Namespace, kind: str) -> Rows:
    place = given.out / kind
    return Rows(given.out / "model", place / "games", place / "rollouts", place / "kept")


def _dtype(given: argparse.Namespace) -> str:
    return "bfloat16" if given.shape == "7b" else "float32"


def _recipe(given: argparse.Namespace, settings: Sequence[str]) -> Recipe:
    return recipe_of(given.out / "model", [f"model.dtype={_dtype(given)}", *settings])


def _adapter(given: argparse.Namespace) -> Path:
    """The checkpoint of `gap`."""
    return Path(given.out / "played/checkpoint")


def _request(given: argparse.Namespace, recipe: Recipe, tokens: int) -> Request:
    games = given.out / "votes/games"
    ref, sha256 = next(iter(picture_hashes(games).items()))
    picture = Picture(games, ref, sha256)
    content = [{"type": "image", "text": None}, {"type": "text", "text": "What is in the picture? " * 100}]
    sampling = Sampling(1.0, 1.0, tokens, tokens, 1.0)
    return Request((0, 0), [{"role": "user", "content": content}], [picture], given.batch, 0, sampling, "current")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shape", choices=list(SHAPES), default="7b")
    parser.add_argument("--games", type=int, default=4, help="of an update: 32 votes or 40 clues")
    parser.add_argument("--tokens", type=int, default=64, help="of an answer of the engine")
    parser.add_argument("--batch", type=int, default=64, help="answers that the engine computes at once")
    parser.add_argument("--rank", type=int, default=512, help="of the adapter whose state is written: 15 GB")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--only", nargs="+", choices=list(STEPS), help="some of the steps")
    parser.add_argument("--step", choices=list(STEPS), help="what a process of its own runs")
    parser.set_defaults(threads=2)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
