"""Pairs of charts drawn from tables."""

from __future__ import annotations

from pathlib import Path

from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.make_games.pair import Plan


def plan(recipe: Recipe, path: Path | None) -> Plan:
    raise InputError("charts cannot be drawn yet")
