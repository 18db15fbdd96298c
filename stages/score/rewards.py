"""The equations of Vision-Zero (arXiv 2509.25541) as Polars expressions, each with its number.

Symbols: v_s votes for the spy, v_cj for civilian j, v̄_c the civilians' mean, n_c the number of civilians.
"""

from __future__ import annotations

import polars as pl

from stages.core.recipe.scoring import Score

RIGHT, NA = pl.col("correct"), pl.col("vote_kind") == "na"
OWN = pl.col("policy") == "current"  # of the policy in training


def spy_reward(v_s: pl.Expr, v_c_mean: pl.Expr, recipe: Score) -> pl.Expr:
    """Eq. 1: r_s = −β (v_s − v̄_c)."""
    return -recipe.beta * (v_s - v_c_mean)


def civilian_reward(v_s: pl.Expr, v_cj: pl.Expr, v_c_mean: pl.Expr, n_c: pl.Expr, recipe: Score) -> pl.Expr:
    """Eq. 1: r_cj = (β / n_c)(v_s − v̄_c) − λ (v_cj − v̄_c). With r_s, a game's rewards sum to 0."""
    return recipe.beta / n_c * (v_s - v_c_mean) - recipe.lambda_ * (v_cj - v_c_mean)


def vote_reward(recipe: Score) -> pl.Expr:
    """Eq. 4: +1 for the spy, −0.5 for N/A, −1 for anything else, unreadable votes too.

    With `abstention: chance` N/A earns (right + (players − 1) · wrong) / players − na_cost.
    """
    players = pl.col("players")
    chance = (recipe.vote_right + (players - 1) * recipe.vote_wrong) / players - recipe.na_cost
    abstained = chance if recipe.abstention == "chance" else pl.lit(recipe.vote_na)
    return pl.when(RIGHT).then(recipe.vote_right).when(NA).then(abstained).otherwise(recipe.vote_wrong)


# Weights of the parts of the released code's decision reward.
CODE_VOTE_WEIGHT, CODE_FORMAT_WEIGHT, CODE_RIGHT_BONUS = 1.2, 0.3, 0.99


def code_format_reward() -> pl.Expr:
    """+1 for a well-formed answer (`code_format.py`), else −1."""
    return pl.when(pl.col("well_formed")).then(1.0).otherwise(-1.0)


def code_vote_reward(accuracy: pl.Expr, form: pl.Expr) -> pl.Expr:
    """1.2 × eq. 4 + 0.3 × format + 0.99 when right (released code)."""
    bonus = pl.when(RIGHT).then(CODE_RIGHT_BONUS).otherwise(0.0)
    return CODE_VOTE_WEIGHT * accuracy + CODE_FORMAT_WEIGHT * form + bonus


def group_advantage(reward: pl.Expr, group: str, recipe: Score) -> pl.Expr:
    """Eq. 5: (r − mean) / (std + ε) over the votes of one game, population std; 0 where all are equal.

    With `abstention: neutral` N/A takes no part: its advantage is 0.
    """
    taking_part = pl.when(~NA).then(reward) if recipe.abstention == "neutral" else reward
    centred = taking_part - taking_part.mean().over(group)
    equal = taking_part.max().over(group) == taking_part.min().over(group)
    scaled = centred / (taking_part.std(ddof=0).over(group) + recipe.epsilon) if recipe.divide_by_std else centred
    return pl.when(equal).then(0.0).otherwise(scaled).fill_null(0.0)


def scaled_by_role(advantage: pl.Expr, recipe: Score) -> pl.Expr:
    """With `clue_scale: role`, divided by the population std of the role's clue advantages in the table; else as is.

    The std is that of the current policy's clues; a role that it never has is left as is.
    """
    if recipe.clue_scale == "none":
        return advantage
    spread = pl.when(OWN).then(advantage).std(ddof=0).over("role") + recipe.epsilon
    return advantage / spread.fill_null(1.0)
