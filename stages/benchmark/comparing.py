"""Compares a model with its base on the same questions: the difference, its interval, wins and losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import comb
from typing import Any

import numpy as np
import polars as pl

from stages.core.errors import InputError

CONFIDENCE = 0.95
RESAMPLES = 10_000
_AT_ONCE = 2_000_000  # numbers in memory


@dataclass(frozen=True)
class Comparison:
    """Scores in [0, 1], and their difference (model − base), paired by question."""

    questions: int
    base: float
    model: float
    difference: float
    difference_interval: tuple[float, float]  # 95 %, paired bootstrap over questions
    wins: int  # questions on which the model's score is better
    losses: int
    p_value: float | None  # McNemar's exact test; None where questions are not simply right or wrong

    def row(self) -> dict[str, Any]:
        """The comparison as `benchmark.json` stores it."""
        body = asdict(self)
        return {"samples": body.pop("questions"), **body, "difference_interval": list(self.difference_interval)}


def paired(base: pl.DataFrame, model: pl.DataFrame, where: str) -> pl.DataFrame:
    """The scores of both (`base`, `model`), a row for each question. `InputError` if their questions differ."""
    key = ["task", "question_id", "question_sha256"]
    both = base.select(*key, base="score").join(model.select(*key, model="score"), on=key, how="full", coalesce=True)
    if both.select(pl.col("base", "model").is_null().any()).row(0) != (False, False):
        raise InputError(
            f"{where}: the base and the model answered different questions, so the task's data changed between the "
            "two; measure both again with another --cache folder"
        )
    return both.sort(key)


def compare(
    base: Sequence[float], model: Sequence[float], *, higher_is_better: bool = True, seed: int = 0
) -> Comparison:
    """Compare scores of the same questions in the same order. Scores on a scale to 100 are divided by 100.

    The interval is the percentile interval of a bootstrap that resamples questions with both their scores.
    """
    before, after = np.asarray(base, float), np.asarray(model, float)
    scale = 100.0 if max(before.max(), after.max()) > 1 else 1.0
    before, after = before / scale, after / scale
    change = after - before
    better = change if higher_is_better else -change
    wins, losses = int((better > 0).sum()), int((better < 0).sum())
    right_or_wrong = bool(np.isin(np.concatenate([before, after]), (0.0, 1.0)).all())
    return Comparison(
        questions=len(change),
        base=float(before.mean()),
        model=float(after.mean()),
        difference=float(change.mean()),
        difference_interval=bootstrap(change, seed),
        wins=wins,
        losses=losses,
        p_value=mcnemar(wins, losses) if right_or_wrong else None,
    )


def bootstrap(values: np.ndarray[Any, Any], seed: int) -> tuple[float, float]:
    """The percentile interval of the mean of `values` [n], by RESAMPLES resamples."""
    unique, counts = np.unique(values, return_counts=True)
    generator, size = np.random.default_rng(seed), max(1, _AT_ONCE // len(unique))
    means = np.concatenate(
        [
            generator.multinomial(len(values), counts / len(values), size=min(size, RESAMPLES - start)) @ unique
            for start in range(0, RESAMPLES, size)
        ]
    )
    low, high = np.quantile(means / len(values), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def mcnemar(wins: int, losses: int) -> float:
    """The two-sided exact p-value: how often fair coins fall at least as unevenly as wins and losses."""
    total = wins + losses
    tail = sum(comb(total, k) for k in range(min(wins, losses) + 1))
    return min(1.0, float(2 * tail / 2**total))
