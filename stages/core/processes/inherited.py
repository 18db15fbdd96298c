"""What processes inherit from their parent: they end with it, and get other launchers' variables."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

PR_SET_PDEATHSIG = 1  # from linux/prctl.h

# torchrun, PyTorchJob, mpirun and accelerate set these for every program that runs under them.
_LAUNCHER = {
    "RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE",
    "ROLE_WORLD_SIZE", "ROLE_NAME", "MASTER_ADDR", "MASTER_PORT", "PMI_RANK", "PMI_SIZE",
}  # fmt: skip
_LAUNCHER_PREFIXES = (
    "ACCELERATE_", "FSDP_", "PARALLELISM_CONFIG_", "TORCHELASTIC_", "PET_", "OMPI_COMM_WORLD_", "MV2_COMM_WORLD_",
)  # fmt: skip


def end_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process when its parent ends for any reason (Linux only).

    If the parent has already ended, this process ends at once. Pass the `parent` if you know it.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    orphaned = os.getppid() == 1 if parent is None else os.getppid() != parent
    if orphaned:
        os.kill(os.getpid(), signal.SIGKILL)


def forget_launcher(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Remove and return another launcher's variables.

    vz starts its own processes. With these variables, torch and accelerate would wait for ranks that never start.
    """
    names = [name for name in environment if name in _LAUNCHER or name.startswith(_LAUNCHER_PREFIXES)]
    return {name: environment.pop(name) for name in names}


@contextmanager
def without_launcher() -> Iterator[None]:
    """Hide another launcher's variables inside the block."""
    forgotten = forget_launcher(os.environ)
    try:
        yield
    finally:
        forget_launcher(os.environ)  # accelerate sets some itself
        os.environ.update(forgotten)
