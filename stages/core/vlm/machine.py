"""What the model runs on: device, threads and memory."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import TYPE_CHECKING

from stages.core.errors import InputError, require
from stages.core.recipe.model import Model as ModelRecipe

if TYPE_CHECKING:
    import torch

# glibc's M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_THRESHOLD, in bytes.
MALLOC_OPTIONS = {-1: 2**31 - 1, -2: 64 * 2**20, -3: 2**30}


def device_of(recipe: ModelRecipe) -> torch.device:
    """Where the recipe wants the model; asking for CUDA without any is an error."""
    backend = require("torch", "train")
    available = backend.cuda.is_available()
    if recipe.device == "cuda" and not available:
        raise InputError("model.device is cuda, but torch sees no GPU here; `vz doctor` says more")
    device: torch.device = backend.device("cuda" if available and recipe.device != "cpu" else "cpu")
    return device


def free_accelerator() -> None:
    """Give the GPU memory that torch holds but does not use back to other processes."""
    backend = require("torch", "train")
    if backend.cuda.is_available():
        backend.cuda.empty_cache()


def set_threads(threads: int | None) -> None:
    """CPU threads of torch in this process (None leaves torch's own choice), and memory that is kept between steps."""
    if threads is not None:
        require("torch", "train").set_num_threads(threads)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Tell glibc to keep what is freed; giving large blocks back after each step took a third of a CPU run's time."""
    with suppress(OSError, AttributeError):  # another C library has no mallopt, and needs none
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in MALLOC_OPTIONS.items():
            mallopt(parameter, value)
