"""Games between two policies, each deal played twice with the roles swapped (the paper's Figure 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.engines import Engine
from stages.core.game.rules import Deal
from stages.core.play.counting import count_votes, judge_games
from stages.core.play.folder import deal_table, play_folder
from stages.core.recipe import Recipe
from stages.core.recipe.rollout import Seats
from stages.core.seeds import derive
from stages.evaluate.intervals import figure

# Which policy has which seat, by the role of the evaluated policy. The analyst plays on the civilians' side.
SIDES = {
    "civilians": Seats(civilian="current", analyst="current", spy="opponent"),
    "spy": Seats(civilian="opponent", analyst="opponent", spy="current"),
}


def play_both_sides(
    work: Path, recipe: Recipe, deals: Sequence[Deal], pairs: pl.DataFrame, games: Path, engine: Engine
) -> pl.DataFrame:
    """Play every deal twice with the policies swapped, into `work/civilians` and `work/spy`.

    Returns a row for each game (`tables.ARENA`). Each side samples with its own seeds, so a policy against itself wins
    half of the games on average, not by construction.
    """
    for side, seats in SIDES.items():
        (work / side).mkdir(parents=True, exist_ok=True)
        own = [replace(deal, seed=derive(deal.seed, side)) for deal in deals]
        play_folder(work / side, recipe, deal_table(own), pairs, games, engine, seats=seats, title=f"as {side}")
    return pl.concat(_results(work / side, side, recipe) for side in SIDES)


def _results(folder: Path, side: str, recipe: Recipe) -> pl.DataFrame:
    rows = tables.read_parts(folder, tables.ROLLOUTS, ["game_id", "phase", "vote", "vote_kind"])
    games = tables.read(folder / "games.parquet", tables.GAMES)
    results = judge_games(rows, count_votes(rows, games, recipe.game), recipe.game)
    share = 1.0 if recipe.game.voters == "analyst" else 1.0 / recipe.game.votes_per_civilian
    on_spy = pl.col("votes").list.get(pl.col("spy") - 1) / (pl.col("cast_votes") * share)
    return results.join(games.select("game_id", "pair_id"), on="game_id", validate="1:1").select(
        "game_id",
        "pair_id",
        side=pl.lit(side),
        winner="winner",
        won=pl.col("winner") == side,
        votes_right=on_spy,
        na="na",
        unreadable=pl.col("unreadable_votes") / pl.col("cast_votes"),
    )


def arena_figures(arena: pl.DataFrame) -> dict[str, Any]:
    """The evaluated policy's wins, in total and by side. Games on the same pair are one cluster."""
    found = _wins(arena)
    for side in SIDES:
        own = arena.filter(pl.col("side") == side)
        means = {name: own[name].mean() for name in ("votes_right", "na", "unreadable")}
        found[f"as_{side}"] = {**_wins(own), **means}
    return found


def _wins(games: pl.DataFrame) -> dict[str, Any]:
    wins = {"games": len(games), "wins": int(games["won"].sum())}
    return wins | figure("win_rate", games["won"], games["pair_id"])
