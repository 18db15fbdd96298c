"""One arm of `make bench-train` in a process of its own: TRL's trainer, or vz's.

Before each update but the first it waits for a line on stdin; after each it writes one with what it measured. The first
line also says where the first update's gradient lies. Both trainers are watched through torch's optimizer hooks, so
that the same thing is measured: all that happens between two steps of the optimizer.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from stages import train
from tests.train.bench_rows import recipe_of


class Watch:
    """Seconds and peak memory of each update, told on `told` in step with the other arms."""

    def __init__(self, gradient: Path) -> None:
        self._told = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what libraries print goes to stderr
        self._gradient, self._updates = gradient, 0
        self._parts = {"tower": 0.0, "language model": 0.0}
        self._start()
        register_optimizer_step_pre_hook(self._before_step)
        register_optimizer_step_post_hook(self._after_step)

    def _before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        if not self._updates:
            save_gradient(optimizer, self._gradient)
            time_parts(model_of(optimizer), self._parts)

    def _after_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        told: dict[str, Any] = {
            "seconds": time.perf_counter() - self._began,
            "cpu_seconds": time.process_time() - self._cpu_began,
        }
        told |= {"gib": self._level, "peak_gib": memory()[1], "parts": dict(self._parts)}
        print(json.dumps(told), file=self._told, flush=True)
        self._updates += 1
        if not sys.stdin.readline().strip():
            os._exit(0)  # what would follow, such as writing the state, is not measured
        self._start()

    def _start(self) -> None:
        self._level = forget_peak()
        self._parts.update(dict.fromkeys(self._parts, 0.0))
        self._began, self._cpu_began = time.perf_counter(), time.process_time()


def memory() -> tuple[float, float]:
    """GiB that this process has now, and the most since `forget_peak`; of the GPU where there is one."""
    if torch.cuda.is_available():
        return torch.cuda.memory_allocated() / 2**30, torch.cuda.max_memory_allocated() / 2**30
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 2**20, int(lines["VmHWM"].split()[0]) / 2**20


def forget_peak() -> float:
    """Start a new peak; what is free goes back to the system first. Returns the GiB that are in use."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    else:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    return memory()[0]


def model_of(optimizer: torch.optim.Optimizer) -> torch.nn.Module:
    """The model that holds the weights which the optimizer trains."""
    owned = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    models = [thing for thing in gc.get_objects() if isinstance(thing, torch.nn.Module)]
    return max(models, key=lambda one: sum(id(weight) in owned for weight in one.parameters()))


def names_of(optimizer: torch.optim.Optimizer) -> dict[str, torch.nn.Parameter]:
    """The weights that the optimizer trains, by their names in the model."""
    return {name: weight for name, weight in model_of(optimizer).named_parameters() if weight.requires_grad}


def time_parts(model: torch.nn.Module, parts: dict[str, float]) -> None:
    """Add to `parts` how long forward passes of the vision tower and of the language model take."""
    from transformers import PreTrainedModel

    inner = [one for one in model.modules() if isinstance(one, PreTrainedModel)]
    tower = next(one for one in inner if "Vision" in type(one).__name__)
    decoder = next(one.get_decoder() for one in inner if callable(getattr(one, "get_decoder", None)))
    for name, module in (("tower", tower), ("language model", decoder)):
        began: list[float] = []
        module.register_forward_pre_hook(lambda *_, began=began: began.append(now()))
        module.register_forward_hook(
            lambda *_, began=began, name=name: parts.update({name: parts[name] + now() - began.pop()})
        )


def now() -> float:
    """The time when the device has done what it was told so far."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def save_gradient(optimizer: torch.optim.Optimizer, path: Path) -> None:
    """Gradients by name; names begin at the same module whatever the model is wrapped in."""
    found = {name: weight.grad.clone() for name, weight in names_of(optimizer).items() if weight.grad is not None}
    shared = os.path.commonpath([name.replace(".", "/") for name in found])
    torch.save({name[len(shared) :].lstrip("."): value for name, value in found.items()}, path)


def main(arguments: Sequence[str] | None = None) -> None:
    given = _arguments(arguments)
    Watch(given.out / f"{given.name}.gradient")
    torch.set_num_threads(given.threads)
    lora = ["model.lora={rank: 64}"] if given.lora else []
    size = [f"threads={given.threads}", f"train.rows_per_update={given.rows}"]
    recipe = recipe_of(given.model, [*lora, *size, *given.set])
    if given.micro_batch:
        from tests.train.bench_trl import train_with_trl

        train_with_trl(recipe, given.kept, given.micro_batch)
    else:
        train.run(recipe, given.kept, given.out / given.name, overwrite=True)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--kept", type=Path, required=True)
    parser.add_argument("--rows", type=int, required=True, help="of an update")
    parser.add_argument("--lora", action="store_true")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--micro-batch", type=int, help="of TRL; without it vz trains")
    parser.add_argument("--set", nargs="*", default=[], help="further settings of vz's recipe")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
