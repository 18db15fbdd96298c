"""The start model's answers to prompts outside the game, which a run collects once (`train.outside_rows`)."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from stages import outside
from stages.core.engines import Engine
from stages.core.recipe import Recipe
from stages.iterate.recovery import OUTSIDE, damaged


def outside_folder(run: Path, recipe: Recipe) -> Path | None:
    """Where the answers are; None for a recipe that uses none."""
    return run / OUTSIDE if recipe.train.outside_rows else None


def answer_outside(
    run: Path, recipe: Recipe, games: Path, left_out: Collection[str], *, full: bool, engine: Engine | None = None
) -> None:
    """Collect the answers, unless the run has them. They stay the same if the run's prompts are edited."""
    folder = outside_folder(run, recipe)
    if folder is not None and damaged(folder, full=full):
        outside.run(recipe, games, folder, engine=engine, left_out=left_out, overwrite=True)
