"""Pairs of ready-made pictures: from folders, manifests, Parquet files, or the hub."""

from __future__ import annotations

from stages.core.recipe import Recipe
from stages.make_games.pair import Plan
from stages.make_games.ready import comparing, place
from stages.make_games.ready.entry import Request


def plan(recipe: Recipe, where: str) -> Plan:
    """The first `games.pairs` pairs of `where`, see `place.py`. `InputError` says what is wrong."""
    blank = recipe.game.spy_view == "blank"
    request = Request(blank=blank, limit=recipe.games.pairs, settings=recipe.games.ready)
    return comparing.plan(recipe, place.find(where, request))
