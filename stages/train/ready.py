"""What training needs on this machine, checked before a run plays its first game."""

from __future__ import annotations

from importlib.util import find_spec

from stages.core.errors import MissingExtra
from stages.core.recipe import Recipe
from stages.train.launch import PACKAGES, spread_of


def check_ready(recipe: Recipe) -> None:
    """`InputError` where a package, or the recipe's accelerate file, is missing."""
    if recipe.train.trainer == "stub":
        return
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtra("train", package)
    spread_of(recipe)
