"""Role-advantage estimation (RAE, eq. 2): a moving baseline for the spy and one for the civilians."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from stages.core.errors import InputError
from stages.core.folder.files import read_json
from stages.core.recipe.scoring import Score


@dataclass(frozen=True)
class Baselines:
    """b_s and b_c; both start at 0."""

    spy: float = 0.0
    civilian: float = 0.0

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def read_baselines(path: Path | None) -> Baselines:
    """From a `baselines.json`; zeros for None."""
    if path is None:
        return Baselines()
    body: Any = read_json(path)
    try:
        return Baselines(float(body["spy"]), float(body["civilian"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: must hold the numbers 'spy' and 'civilian' (problem: {error})") from error


def move(rewards: pl.DataFrame, before: Baselines, recipe: Score, moves: bool) -> tuple[pl.DataFrame, Baselines]:
    """`rewards` [game_id, r_s, r_c] with the columns b_s and b_c that each game subtracts, and the baselines after.

    b ← α b + (1 − α) r, game by game in `game_id` order, or once for every `baseline_games` games with their mean.
    A null reward, of a role that another policy had, moves nothing.
    The paper subtracts the baseline after it moved with the game's own reward. Where nothing moves (`moves` False:
    an iteration of the other phase), every game subtracts `before`.
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
    """The start and the baseline after each reward, the same as before after a null: len(rewards) + 1 values."""
    values = pl.concat([pl.Series([start], dtype=pl.Float64), rewards.cast(pl.Float64)])
    moved = values.drop_nulls().ewm_mean(alpha=1 - alpha, adjust=False)
    return moved.gather(values.is_not_null().cum_sum() - 1)
