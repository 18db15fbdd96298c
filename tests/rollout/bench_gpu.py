"""Playing on a GPU with random weights of Qwen2.5-VL-7B's shape: `make bench-gpu-rollout`.

Tokens/s, games/min, the GPU's utilisation and memory, for the transformers engine and, where it is installed, vLLM. The
small shape tries the command on a CPU:

    python -m tests.rollout.bench_gpu --out runs/bench-gpu-rollout --shape small --games 4 --tokens 8
"""

from __future__ import annotations

import argparse
import datetime
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from stages import rollout
from stages.core.engines import open_engine
from stages.core.folder.content import version_of
from stages.core.folder.files import write_json
from stages.core.recipe import Recipe, load
from stages.rollout.memory import gpu_gib, peak_gib
from tests.families.chatml import qwen2_5_vl
from tests.helpers import write_games

SAMPLE_EVERY = 0.5  # seconds between looks at the GPU

# Facts of Qwen2.5-VL-7B-Instruct's config.json.
SEVEN_BILLION = {
    "vision": {
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "depth": 32,
        "num_heads": 16,
        "patch_size": 14,
        "window_size": 112,
        "fullatt_block_indexes": [7, 15, 23, 31],
        "out_hidden_size": 3584,
    },
    "text": {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "max_position_embeddings": 32768,
        "vocab_size": 152064,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
    },
}


@dataclass(frozen=True)
class Measured:
    """One engine's play of all games."""

    engine: str
    games: int
    completions: int
    prompt_tokens: int
    tokens: int
    seconds: float
    gpu_utilisation: float | None  # mean share of the time that a kernel ran, in percent, as the driver tells
    gpu_gib: float | None  # most that was used
    process_gib: float


def main(arguments: Sequence[str] | None = None) -> int:
    given = _arguments(arguments)
    model = build(given.out / "model", given.shape)
    engines = ["transformers", *(["vllm"] if find_spec("vllm") else [])]
    rows = [measure(given, engine, model) for engine in engines if given.engine in (None, engine)]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    settings = {name: str(value) for name, value in vars(given).items()}
    head = {"date": datetime.date.today().isoformat(), "device": device, "torch": torch.__version__, **settings}
    write_json(given.out / "bench.json", {**head, "rows": [asdict(row) for row in rows]})
    print(report(device, rows))
    return 0


def measure(given: argparse.Namespace, engine: str, model: Path) -> Measured:
    """Play the games once to warm up (a few of them) and once to measure."""
    recipe = _recipe(given, engine, model)
    few = write_games(given.out / "few-games", recipe, count=4, side=given.side)
    games = write_games(given.out / "games", recipe, count=given.games, side=given.side)
    version = version_of(model)
    with open_engine(recipe) as live:
        live.load("current", model, version)
        rollout.run(recipe, few, given.out / f"{engine}-warm-up", split=None, engine=live, overwrite=True)
        before = live.tally.copy()
        with _watching() as seen:
            report = rollout.run(recipe, games, given.out / engine, split=None, engine=live, overwrite=True)
        grown = live.tally.since(before)
    used = [row for row in seen if row is not None]
    return Measured(
        engine,
        given.games,
        grown.completions,
        grown.tokens_in,
        grown.tokens_out,
        report.timings["play_seconds"],
        sum(share for share, _ in used) / len(used) if used else None,
        max((gib for _, gib in used), default=None),
        peak_gib(),
    )


@contextmanager
def _watching() -> Iterator[list[tuple[float, float] | None]]:
    """(utilisation in percent, GiB used) of the GPU, looked at now and then."""
    seen: list[tuple[float, float] | None] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(SAMPLE_EVERY):
            memory = gpu_gib()
            seen.append(None if memory is None else (_utilisation(), memory[0]))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def _utilisation() -> float:
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return max(float(value) for value in listed)


def build(folder: Path, shape: str) -> Path:
    """Qwen2.5-VL with random weights; the words of its tokenizer are few, the table of its words is of full size."""
    if (folder / "config.json").is_file():
        return folder
    if shape == "small":
        return qwen2_5_vl(folder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.device(device):
        return qwen2_5_vl(folder, dtype=torch.bfloat16, **SEVEN_BILLION)


def report(device: str, rows: Sequence[Measured]) -> str:
    """A line an engine."""
    lines = [
        device,
        "| engine | tokens/s | games/min | GPU busy | GPU GiB | process GiB |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        busy = "–" if row.gpu_utilisation is None else f"{row.gpu_utilisation:.0f} %"
        used = "–" if row.gpu_gib is None else f"{row.gpu_gib:.1f}"
        rates = f"{row.tokens / row.seconds:,.0f} | {60 * row.games / row.seconds:,.1f}"
        lines.append(f"| {row.engine} | {rates} | {busy} | {used} | {row.process_gib:.1f} |")
    return "\n".join(lines)


def _recipe(given: argparse.Namespace, engine: str, model: Path) -> Recipe:
    sizes = [f"rollout.{kind}_tokens={given.tokens}" for kind in ("max_clue", "max_vote", "min_clue", "min_vote")]
    sizes += [f"rollout.concurrent_games={given.games}", f"rollout.batch_size={given.batch}"]
    sizes += ["rollout.max_prompt_tokens=4000", "deterministic=false", f"rollout.engine={engine}"]
    dtype = "bfloat16" if given.shape == "7b" else "float32"
    cpu = [] if torch.cuda.is_available() else ["rollout.vllm.eager=true", "rollout.vllm.options={block_size: 32}"]
    room: list[Any] = ["rollout.max_prompt_tokens=900"] if given.shape == "small" else []
    place = [f"model.path={model}", f"model.dtype={dtype}", "model.device=auto", "threads=null"]
    return load("tiny", [*place, *sizes, *room, *cpu, "game.players=5", "game.clue_rounds=2", "game.votes=8"])


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shape", choices=("7b", "small"), default="7b")
    parser.add_argument("--engine", choices=("transformers", "vllm"), help="default: both, where vLLM is installed")
    parser.add_argument("--games", type=int, default=64)
    parser.add_argument(
        "--batch", type=int, default=128, help="completions that the transformers engine computes at once"
    )
    parser.add_argument("--tokens", type=int, default=128, help="length of every answer")
    parser.add_argument("--side", type=int, default=336, help="pictures' side in pixels")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
