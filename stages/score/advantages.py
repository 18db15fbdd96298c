"""Advantages: rewards minus their baselines. Eq. 2 (role-advantage estimation) for clues, eq. 5 for votes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from stages.core.errors import InputError
from stages.core.folder.files import read_json
from stages.core.recipe.scoring import Score

EPSILON = 1e-6  # in eq. 5; the paper gives no value, and the code's 1e-8 gives the same to six digits
IS_CURRENT = pl.col("policy") == "current"  # whether the policy in training wrote the row


@dataclass(frozen=True)
class Baselines:
    """b_s and b_c; both start at 0."""

    spy: float = 0.0
    civilian: float = 0.0


def read_baselines(path: Path | None) -> Baselines:
    """The baselines in a `baselines.json`; zeros for None."""
    if path is None:
        return Baselines()
    body: Any = read_json(path)
    try:
        return Baselines(float(body["spy"]), float(body["civilian"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: must contain the numbers 'spy' and 'civilian' (problem: {error})") from error


def move(rewards: pl.DataFrame, before: Baselines, recipe: Score, moves: bool) -> tuple[pl.DataFrame, Baselines]:
    """Eq. 2. `rewards` [game_id, r_s, r_c] with the baselines b_s and b_c that each game subtracts; the new baselines.

    b ← α b + (1 − α) r, game by game in `game_id` order, or once for every `baseline_games` games with their mean. The
    paper subtracts the baseline after it has moved by the game's own reward. A null reward, for a role that another
    policy played, moves nothing. Without `moves`, in a round of the other phase, every game subtracts `before`.
    """
    rewards = rewards.sort("game_id")
    if not recipe.role_baselines:
        return rewards.with_columns(b_s=pl.lit(0.0), b_c=pl.lit(0.0)), before
    if not moves:
        return rewards.with_columns(b_s=pl.lit(before.spy), b_c=pl.lit(before.civilian)), before
    rewards = rewards.with_columns(step=pl.int_range(pl.len()) // recipe.baseline_games)
    steps = rewards.group_by("step", maintain_order=True).agg(pl.col("r_s", "r_c").mean())
    spy = _moving(before.spy, steps["r_s"], recipe.alpha)
    civilian = _moving(before.civilian, steps["r_c"], recipe.alpha)
    shift = 1 if recipe.baseline_subtracted == "after" else 0
    steps = steps.select("step", b_s=spy[shift : shift + len(steps)], b_c=civilian[shift : shift + len(steps)])
    after = Baselines(spy[-1], civilian[-1])
    return rewards.join(steps, on="step", maintain_order="left").drop("step"), after


def _moving(start: float, rewards: pl.Series, alpha: float) -> pl.Series:
    """The baseline at the start and after each reward: len(rewards) + 1 values. A null does not move it."""
    values = pl.concat([pl.Series([start], dtype=pl.Float64), rewards.cast(pl.Float64)])
    moved = values.drop_nulls().ewm_mean(alpha=1 - alpha, adjust=False)
    return moved.gather(values.is_not_null().cum_sum() - 1)


def scaled_by_role(advantage: pl.Expr, recipe: Score) -> pl.Expr:
    """With `clue_scale: role`, clue advantages divided by the population std of their role; otherwise unchanged.

    The std is over the current policy's clues. A role that it never plays stays unchanged. Needs all rows.
    """
    if recipe.clue_scale == "none":
        return advantage
    spread = pl.when(IS_CURRENT).then(advantage).std(ddof=0).over("phase", "role") + EPSILON
    return advantage / spread.fill_null(1.0)


def group_advantage(reward: pl.Expr, group: str, recipe: Score) -> pl.Expr:
    """Eq. 5: (r − mean) / (std + ε) over the votes of one game, with the population std; 0 if all are equal.

    With `abstention: neutral`, N/A does not count, and its advantage is 0.
    """
    counted = pl.when(pl.col("vote_kind") != "na").then(reward) if recipe.abstention == "neutral" else reward
    centred = counted - counted.mean().over(group)
    equal = counted.max().over(group) == counted.min().over(group)
    scaled = centred / (counted.std(ddof=0).over(group) + EPSILON) if recipe.divide_by_std else centred
    return pl.when(equal).then(0.0).otherwise(scaled).fill_null(0.0)
