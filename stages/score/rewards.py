"""The paper's rewards (arXiv 2509.25541, eq. 1 and 4). Copy this file to write your own: see docs/doors/rewards.md.

v_s is the number of votes for the spy, v_cj for civilian j, v̄_c the civilians' mean, n_c the number of civilians.
"""

from __future__ import annotations

import polars as pl

from stages.core.recipe.scoring import Score


def clue_rewards(seats: pl.DataFrame, settings: Score) -> pl.DataFrame:
    """Eq. 1: r_s = −β (v_s − v̄_c) and r_cj = (β / n_c)(v_s − v̄_c) − λ (v_cj − v̄_c). A game's rewards sum to 0."""
    votes, is_spy = pl.col("votes"), pl.col("role") == "spy"
    v_s = votes.filter(is_spy).first().over("game_id")
    v_c_mean = votes.filter(~is_spy).mean().over("game_id")
    n_c = (~is_spy).sum().over("game_id")
    r_s = -settings.beta * (v_s - v_c_mean)
    r_c = settings.beta / n_c * (v_s - v_c_mean) - settings.lambda_ * (votes - v_c_mean)
    return seats.with_columns(reward=pl.when(is_spy).then(r_s).otherwise(r_c)).with_columns(zero_sum="reward")


def vote_rewards(votes: pl.DataFrame, settings: Score) -> pl.DataFrame:
    """Eq. 4: +1 for the spy, −0.5 for N/A, −1 for anything else, unreadable votes included.

    With `abstention: chance`, N/A earns what a random vote earns on average, (right + (players − 1) · wrong) / players,
    minus `na_cost`.
    """
    right, wrong, players = settings.vote_right, settings.vote_wrong, pl.col("players")
    na = pl.lit(settings.vote_na)
    if settings.abstention == "chance":
        na = (right + (players - 1) * wrong) / players - settings.na_cost
    abstained = pl.col("vote_kind") == "na"
    reward = pl.when("correct").then(right).when(abstained).then(na).otherwise(wrong)
    return votes.with_columns(reward=reward).with_columns(accuracy="reward")
