"""The machine for an estimate: this one, or another one described in words."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stages.core.errors import InputError, require
from stages.core.recipe import Recipe

if TYPE_CHECKING:
    import torch

GIB = 1 << 30
# From data sheets: memory in GB, dense bf16 products with fp32 sums in TFLOP/s, memory bandwidth in GB/s.
CARDS = {
    "B200": (180, 2250, 8000),
    "H200": (141, 989, 4800),
    "H100": (80, 989, 3350),
    "H100 PCIe": (80, 756, 2000),
    "A100 80GB": (80, 312, 2039),
    "A100 40GB": (40, 312, 1555),
    "L40S": (48, 362, 864),
    "RTX 5090": (32, 209, 1792),
    "RTX 4090": (24, 165, 1008),
    "RTX 3090": (24, 71, 936),
    "A10G": (24, 70, 600),
    "L4": (24, 121, 300),
}
LIKE = {24: "RTX 4090", 32: "RTX 5090", 40: "A100 40GB", 48: "L40S", 80: "H100", 141: "H200", 180: "B200"}


@dataclass(frozen=True)
class Machine:
    """The computing hardware: identical GPUs, or the CPU."""

    name: str
    gpus: int  # 0 for a CPU
    memory: int  # bytes of each GPU, or of the machine's RAM without GPUs
    flops: float  # each GPU's peak FLOP/s in bf16; measured on a CPU
    bandwidth: float  # bytes/s of its memory
    ram: int | None = None  # bytes of the machine's RAM; None for a described machine

    @property
    def is_gpu(self) -> bool:
        return self.gpus > 0


def described(gpu: str | None, gigabytes: float | None, gpus: int | None) -> Machine:
    """Another machine: a card given by name, or by memory in GB and then as fast as the usual card of that size."""
    number = 1 if gpus is None else gpus
    if gpu is None and gigabytes is None:
        raise InputError("--gpus: say which GPUs: --gpu H100, or --gpu-memory 80")
    if gpu is None:
        assert gigabytes is not None
        gpu = LIKE[min(LIKE, key=lambda known: abs(known - gigabytes))]
        name = f"{number} × {gigabytes:g} GB, as fast as {gpu}"
    else:
        known = {card.lower().replace(" ", ""): card for card in CARDS}
        found = known.get(gpu.lower().replace(" ", ""))
        if found is None:
            raise InputError(f"--gpu {gpu}: not one of {', '.join(CARDS)}; give its memory instead: --gpu-memory 24")
        gpu, name = found, f"{number} × {found}"
    memory, flops, bandwidth = CARDS[gpu]
    # A card's GB are really GiB, as drivers show, to within a percent or two.
    return Machine(name, number, int((gigabytes or memory) * GIB), flops * 1e12, bandwidth * 1e9)


def found_here(recipe: Recipe) -> Machine:
    """This machine's GPUs, if the recipe uses GPUs, or else its CPU, whose speed is measured for a second."""
    torch = require("torch", "train")
    ram = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if recipe.model.device == "cpu" or not torch.cuda.is_available():
        return Machine(f"CPU, {ram / GIB:.0f} GiB", 0, ram, *_tried(recipe), ram=ram)
    number, name = torch.cuda.device_count(), torch.cuda.get_device_name(0)
    memory = min(torch.cuda.mem_get_info(index)[1] for index in range(number))
    card = next((known for known in CARDS if known.lower().replace("gb", "") in name.lower()), None)
    like = card or LIKE[min(LIKE, key=lambda known: abs(known - memory / GIB))]
    _, flops, bandwidth = CARDS[like]
    shown = f"{number} × {name}" + ("" if card else f", as fast as {like}")
    return Machine(shown, number, memory, flops * 1e12, bandwidth * 1e9, ram)


def _tried(recipe: Recipe) -> tuple[float, float]:
    """FLOP/s of products in training's precision, and bytes/s of a copy: the best of a few tries."""
    import torch

    before, dtype = torch.get_num_threads(), torch.bfloat16 if recipe.train.precision == "bf16" else torch.float32
    used = recipe.threads or before
    torch.set_num_threads(used)
    try:
        one, other = torch.rand(2, 1024, 1024).to(dtype)
        large, target = torch.rand(1 << 24), torch.empty(1 << 24)
        product = min(_seconds(lambda: one @ other, used) for _ in range(8))
        copy = min(_seconds(lambda: target.copy_(large), used) for _ in range(4))
    finally:
        torch.set_num_threads(before)
    return 2 * 1024**3 / product, 2 * large.nbytes / copy


def _seconds(work: Callable[[], torch.Tensor], threads: int) -> float:
    """CPU time per thread, so that other work on the machine hardly counts."""
    started = time.process_time()
    work()
    return (time.process_time() - started) / threads
