"""Detects CPUs that compute bfloat16 slowly, as in most laptops: they convert every number to float32 and back."""

from __future__ import annotations

from functools import cache

from stages.core.errors import require
from stages.core.printing.terminal import say
from stages.core.recipe.schema import Recipe
from stages.core.vlm.loading import device_of

# Names from `torch.cpu.get_capabilities`.
_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "avx10_2", "bf16", "sve_bf16")


def has_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16."""
    found = require("torch", "train").cpu.get_capabilities()
    return any(found.get(name) for name in _INSTRUCTIONS)


def slow_settings(recipe: Recipe) -> list[str]:
    """Settings that make `recipe` faster on a CPU without bfloat16; empty on other machines."""
    wanted = {
        "model.dtype=float32": recipe.model.dtype == "bfloat16",
        "train.precision=fp32": recipe.train.precision == "bf16",
    }
    found = [setting for setting, slow in wanted.items() if slow]
    return found if found and device_of(recipe.model).type == "cpu" and not has_bfloat16() else []


def warn_if_slow(recipe: Recipe) -> None:
    """Say once which settings are faster on this CPU."""
    if settings := slow_settings(recipe):
        _say(f"this CPU has no instructions for bfloat16; for more speed, set {' and '.join(settings)}")


@cache
def _say(warning: str) -> None:
    say(f"warning: {warning}")
