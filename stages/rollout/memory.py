"""The memory in use, from the operating system and the GPU driver."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

KIB_PER_GIB, MIB_PER_GIB = 2**20, 2**10


def peak_gib() -> float:
    """The peak resident memory of this process and its descendants, summed, in GiB."""
    return sum(_peak_kib(process) for process in _family(os.getpid())) / KIB_PER_GIB


def gpu_gib() -> tuple[float, float] | None:
    """(used, total) in GiB of the fullest GPU that vz may use, by all its processes; None if nvidia-smi lists none."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible == "":
        return None
    command = ["nvidia-smi", "--query-gpu=memory.used,memory.total", "--format=csv,noheader,nounits"]
    if visible:
        command.append(f"--id={visible}")
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):  # no driver, or no answer
        return None
    return _fullest(listed)


def _fullest(listed: str) -> tuple[float, float] | None:
    """Reads lines such as "1024, 81920", in MiB; some GPUs say "[N/A]"."""
    pairs = [[part.strip() for part in line.split(",")] for line in listed.splitlines()]
    gpus = [(int(used), int(total)) for used, total in pairs if used.isdigit() and total.isdigit()]
    if not gpus:
        return None
    used, total = max(gpus, key=lambda gpu: gpu[0] / gpu[1])
    return used / MIB_PER_GIB, total / MIB_PER_GIB


def _family(process: int) -> Iterator[int]:
    """The process and its descendants, except those that end in the meantime."""
    yield process
    for thread in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in thread.read_text().split():
                yield from _family(int(child))


def _peak_kib(process: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0
