"""Games of two policies on equal deals, each deal with the roles both ways round (paper's Figure 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.engines import Engine
from stages.core.game.rules import Deal
from stages.core.play.folder import deal_table, play_folder
from stages.core.play.votes import count_votes, judge_games
from stages.core.recipe import Recipe
from stages.core.recipe.rollout import Seats
from stages.core.seeds import derive
from stages.evaluate.figures import figure

# The analyst plays on the civilians' side. A side's name is the role of the policy that is judged.
SIDES = {
    "civilians": Seats(civilian="current", analyst="current", spy="opponent"),
    "spy": Seats(civilian="opponent", analyst="opponent", spy="current"),
}


def play_both_sides(
    work: Path, recipe: Recipe, deals: Sequence[Deal], pairs: pl.DataFrame, games: Path, engine: Engine
) -> None:
    """Play every deal twice, into `work/civilians` and `work/spy`: same pair, same spy's seat, policies exchanged.

    What is sampled is drawn anew, so that a policy against itself is a fair coin and not by construction at 1/2.
    """
    for side, seats in SIDES.items():
        (work / side).mkdir(exist_ok=True)
        own = [replace(deal, seed=derive(deal.seed, side)) for deal in deals]
        play_folder(work / side, recipe, deal_table(own), pairs, games, engine, seats=seats, title=f"as {side}")


def read_arena(work: Path, recipe: Recipe) -> pl.DataFrame:
    """A row a game (`tables.ARENA`), both sides one under the other.

    Civilians win a game when the spy alone has the most votes, N/A being a choice; else the spy wins.
    """
    return pl.concat(_judged(work / side, side, recipe) for side in SIDES)


def _judged(folder: Path, side: str, recipe: Recipe) -> pl.DataFrame:
    rows = tables.read_parts(folder, tables.ROLLOUTS, ["game_id", "phase", "vote", "vote_kind"])
    games = tables.read(folder / "games.parquet", tables.GAMES)
    judged = judge_games(rows, count_votes(rows, games, recipe.game), recipe.game)
    share = 1.0 if recipe.game.voters == "analyst" else 1.0 / recipe.game.votes_per_civilian
    on_spy = pl.col("votes").list.get(pl.col("spy") - 1) / (pl.col("cast_votes") * share)
    joined = judged.join(games.select("game_id", "pair_id"), on="game_id", validate="1:1")
    return joined.select(
        "game_id",
        "pair_id",
        side=pl.lit(side),
        winner="winner",
        won=pl.col("winner") == side,
        votes_right=on_spy,
        na="na",
        unreadable=pl.col("unreadable_votes") / pl.col("cast_votes"),
    )


def arena_figures(arena: pl.DataFrame, confidence: float) -> dict[str, Any]:
    """Wins of the judged policy, over all and by side. The games on a pair count as one cluster."""
    return {**_wins(arena, confidence), **{f"as_{side}": _side(arena, side, confidence) for side in SIDES}}


def _side(arena: pl.DataFrame, side: str, confidence: float) -> dict[str, Any]:
    own = arena.filter(pl.col("side") == side)
    return _wins(own, confidence) | {name: own[name].mean() for name in ("votes_right", "na", "unreadable")}


def _wins(games: pl.DataFrame, confidence: float) -> dict[str, Any]:
    wins = {"games": len(games), "wins": int(games["won"].sum())}
    return wins | figure("win_rate", games["won"], games["pair_id"], confidence)
