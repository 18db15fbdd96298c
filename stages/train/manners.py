"""How libraries behave while training: threads and determinism as the recipe wants them, and quiet."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import torch

from stages.core import vlm
from stages.core.recipe import Recipe


@contextmanager
def manners(recipe: Recipe) -> Iterator[None]:
    """Nothing goes to stdout, and afterwards the process is as it was (but for the number of threads)."""
    vlm.set_threads(recipe.threads)
    try:
        with redirect_stdout(sys.stderr), warnings.catch_warnings(), torch.random.fork_rng(), _deterministic(recipe):
            warnings.simplefilter("ignore")
            with _quiet():
                yield
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


@contextmanager
def _deterministic(recipe: Recipe) -> Iterator[None]:
    """Deterministic kernels wherever torch has them."""
    if not recipe.deterministic:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


@contextmanager
def _quiet() -> Iterator[None]:
    """Errors only, no bars: progress is shown by vz itself."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
