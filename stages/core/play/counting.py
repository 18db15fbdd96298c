"""Counting the votes of each game."""

from __future__ import annotations

import polars as pl

from stages.core import tables
from stages.core.errors import InputError
from stages.core.recipe.game import Game


def count_votes(rows: pl.DataFrame, games: pl.DataFrame, rules: Game) -> pl.DataFrame:
    """A row for each seat of each game, even without votes: `game_id, spy, seat, votes`.

    With `voters: civilians`, votes are divided by `votes_per_civilian`, so that each voter counts once.
    """
    share = 1.0 if rules.voters == "analyst" else 1.0 / rules.votes_per_civilian
    seats = games.select("game_id", "spy", seat=pl.int_ranges(1, pl.col("players") + 1, dtype=pl.Int32)).explode("seat")
    cast = rows.filter(pl.col("vote_kind") == "seat").group_by("game_id", seat="vote").agg(count=pl.len())
    return (
        seats.join(cast, on=["game_id", "seat"], how="left")
        .with_columns(votes=pl.col("count").fill_null(0) * share)
        .select("game_id", "spy", "seat", "votes")
        .sort("game_id", "seat")
    )


def judge_games(rows: pl.DataFrame, votes: pl.DataFrame, rules: Game) -> pl.DataFrame:
    """A row for each game, as in `scored/games.parquet`. The spy is found if it alone has the most votes.

    N/A counts as a choice: as many N/A as votes for the spy is a tie, and the spy is not found. Unreadable votes count
    for nobody.
    """
    share = 1.0 if rules.voters == "analyst" else 1.0 / rules.votes_per_civilian
    kind = pl.col("vote_kind")
    cast = (
        rows.filter(pl.col("phase") == "decision")
        .group_by("game_id")
        .agg(
            na_votes=(kind == "na").sum().cast(pl.Int32),
            unreadable_votes=(kind == "unreadable").sum().cast(pl.Int32),
            cast_votes=pl.len().cast(pl.Int32),
        )
    )
    is_spy = pl.col("seat") == pl.col("spy")
    seats = votes.group_by("game_id").agg(
        spy=pl.col("spy").first(),
        v_s=pl.col("votes").filter(is_spy).first(),
        v_c_most=pl.col("votes").filter(~is_spy).max(),
        votes=pl.col("votes").sort_by("seat"),
    )
    joined = seats.join(cast, on="game_id", how="left").sort("game_id")
    without = joined.filter(pl.col("cast_votes").is_null())
    if len(without):
        raise InputError(
            f"game '{without['game_id'][0]}' has no vote rows, so the rollouts are incomplete: play the games again"
        )
    found = (pl.col("v_s") > pl.col("v_c_most")) & (pl.col("v_s") > pl.col("na_votes") * share)
    frame = joined.with_columns(
        acc=found,
        winner=pl.when(found).then(pl.lit("civilians")).otherwise(pl.lit("spy")),
        na=pl.col("na_votes") / pl.col("cast_votes"),
    )
    return frame.select(list(tables.SCORED_GAMES))
