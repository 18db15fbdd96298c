"""The held-out pairs that an evaluation plays, the games it deals on them, and the policies that play."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import polars as pl

from stages.core.engines import Engine
from stages.core.errors import InputError
from stages.core.folder.content import version_of
from stages.core.game.rules import Deal, deal
from stages.core.play import playable
from stages.core.play.playable import check_spy_view, pairs_of
from stages.core.recipe import Recipe
from stages.core.seeds import derive
from stages.core.vlm.needs import check_models

Places = Mapping[str, str | Path]  # where each policy is


def unplayable_pairs(work: Path, recipe: Recipe, games: Path, places: Places) -> frozenset[str]:
    """The pairs that a policy cannot play. `InputError` if the recipe's engine cannot load a policy."""
    check_models(recipe, places.values())
    return playable.leave_out(work, recipe, games, held_out_pairs(recipe, games), places.values())


def held_out_pairs(recipe: Recipe, games: Path, left_out: Collection[str] = ()) -> pl.DataFrame:
    """The pairs of `evaluate.split` without `left_out`. `InputError` if there are none, or none has a spy's picture."""
    pairs = pairs_of(games, recipe.evaluate.split, left_out)
    if pairs.is_empty():
        raise InputError(
            f"{games}: has no pairs in the split '{recipe.evaluate.split}'; make more, choose another with --set "
            "evaluate.split=train, or leave out a run's evaluations with --set evaluate.every=0"
        )
    check_spy_view(pairs, recipe.game.spy_view)
    return pairs


def deals(recipe: Recipe, pairs: pl.DataFrame, purpose: str, count: int) -> list[Deal]:
    """`count` games on the pairs. The recipe's seed and the purpose decide the deals."""
    return deal(pairs["pair_id"].to_list(), count, recipe.game, seed=derive(recipe.seed, purpose), iteration=0)


def load(engine: Engine, policy: str, place: str | Path) -> None:
    """Load a policy's weights into the engine; their hash is the policy's version."""
    engine.load(policy, place, version_of(place))
