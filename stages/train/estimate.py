"""The estimate of memory and time (`stages.core.estimate`), with weights spread as the accelerate file says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stages.core.recipe import Recipe
from stages.train.accelerate_file import read_spread

if TYPE_CHECKING:
    from stages.core.estimate.forecast import Forecast
    from stages.core.estimate.machine import Machine


def estimate(
    recipe: Recipe, machine: Machine | None = None, *, plays: bool = True, place: str | Path | None = None
) -> Forecast:
    """What the recipe needs on `machine` (default: this one). `plays` is false if only training counts."""
    from stages.core.estimate.forecast import forecast
    from stages.core.estimate.machine import found_here

    machine = machine or found_here(recipe)
    on_gpu = machine.is_gpu

    def shards(other: Recipe) -> tuple[bool, bool]:
        spread = read_spread(other, bf16=on_gpu, cuda=on_gpu)
        return spread.sharded, spread.reshard_after_forward

    return forecast(recipe, machine, shards, plays=plays, place=place)
