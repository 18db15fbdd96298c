"""Pairs of pictures that exist already."""

from __future__ import annotations

from pathlib import Path

from stages.core.recipe import Recipe
from stages.make_games.pair import Plan
from stages.make_games.ready import folder


def plan(recipe: Recipe, place: str) -> Plan:
    """The pairs of `place`."""
    return folder.plan(recipe, Path(place))
