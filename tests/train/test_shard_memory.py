"""What sharded loading takes of each process' memory: its part of the weights, and never a whole model."""

from __future__ import annotations

import multiprocessing
import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train import world

MIB = 2**20


def build_large(folder: Path) -> int:
    """A LLaVA of some 100 million weights, in bf16 files. Returns their number."""
    from stages.init_model.build import build_model, build_processor
    from stages.init_model.plan import Body
    from stages.init_model.tokenizer import build_tokenizer

    shape = Body(
        picture=48, patch=24, vision_width=256, vision_layers=1, text_width=1024, text_layers=10, head_width=64
    )
    tokenizer = build_tokenizer()
    model = build_model(shape, tokenizer, 0).bfloat16()
    model.save_pretrained(folder, max_shard_size="50MB")
    build_processor(shape, tokenizer).save_pretrained(folder)
    return sum(weight.numel() for weight in model.parameters())


def anonymous() -> int:
    """Bytes of this process' memory that belong to no file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


@contextmanager
def peak(found: dict[str, int], name: str) -> Any:
    """Record by how much memory grew at most, and how much of it stayed."""
    before, largest, done = anonymous(), [0], threading.Event()

    def look() -> None:
        while not done.wait(0.002):
            largest[0] = max(largest[0], anonymous())

    thread = threading.Thread(target=look)
    thread.start()
    yield
    done.set()
    thread.join()
    found |= {f"{name} peak": largest[0] - before, f"{name} kept": anonymous() - before}


def on_rank(rank: int, port: int, small: Path, large: Path, lora: bool, answers: Any) -> None:
    from stages.train.accelerate_file import Spread
    from stages.train.policy import load_policy, load_reference

    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    torch.distributed.init_process_group("gloo")
    found: dict[str, int] = {}
    spread, cpu = Spread(sharded=True), torch.device("cpu")
    for place in (small, large):  # the first loads the libraries
        recipe = world.recipe(place, lora=lora)
        with peak(found, "policy"):
            policy = load_policy(recipe, str(place), str(place), spread, cpu)
        with peak(found, "reference"):
            reference = load_reference(recipe, str(place), spread, cpu)
        torch.distributed.barrier()
        del policy, reference
    answers.put((rank, found))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("lora", [False, True])
def test_a_process_loads_no_more_than_its_part(lora: bool, model: Path, tmp_path: Path) -> None:
    from torch.distributed.elastic.utils.distributed import get_free_port

    weights = build_large(tmp_path / "large")
    context, port = multiprocessing.get_context("spawn"), get_free_port()
    answers = context.Queue()
    arguments = (port, model, tmp_path / "large", lora, answers)
    processes = [context.Process(target=on_rank, args=(rank, *arguments)) for rank in (0, 1)]
    for process in processes:
        process.start()
    found = dict(answers.get(timeout=300) for _ in processes)
    for process in processes:
        process.join(60)
    part = weights * 4 / 2  # fp32, on two processes
    for rank in (0, 1):
        print(f"rank {rank}:", {name: f"{size / MIB:.0f} MiB" for name, size in found[rank].items()})
        for name in ("policy", "reference"):
            assert found[rank][f"{name} peak"] < 1.2 * part, f"{name}: a part is {part / MIB:.0f} MiB"
            assert found[rank][f"{name} kept"] > 0.5 * part
