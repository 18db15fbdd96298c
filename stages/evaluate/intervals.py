"""Means with confidence intervals, for values that come in clusters, such as games on the same pair of pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import polars as pl

CONFIDENCE = 0.95  # of every interval
_ROUNDING = 1e-12  # a smaller variance is only rounding


class Estimate(NamedTuple):
    """A mean and its confidence interval."""

    mean: float
    low: float
    high: float


def figure(name: str, values: pl.Series, clusters: pl.Series, *, least: float = 0.0) -> dict[str, Any]:
    """`{name: mean, name_interval: [low, high]}` of values in [least, 1] without nulls."""
    assert not values.null_count()
    found = estimate(values.cast(pl.Float64).to_list(), clusters.to_list(), least=least)
    return {name: found.mean, f"{name}_interval": [found.low, found.high]}


def wilson(share: float, size: float) -> tuple[float, float]:
    """Wilson's score interval for a share in `size` independent draws; (0, 1) without draws."""
    if size <= 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    centre = share + z * z / (2 * size)
    half = z * math.sqrt(share * (1 - share) / size + z * z / (4 * size * size))
    scale = 1 + z * z / size
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def estimate(values: Sequence[float], clusters: Sequence[str], *, least: float = 0.0) -> Estimate:
    """The mean of `values` in [least, 1]; values in one cluster may depend on each other.

    Wilson's interval on [least, 1] with the effective sample size: the number of independent draws with the variance
    that the clusters show (linearised: Σ_c (Σ_{i in c} (x_i − x̄))² · C / (C − 1) / n², with n values in C clusters). If
    the clusters show no variance, C draws: equal values do not prove certainty. Only values that are all equal and
    inside the range, such as the differences between a policy and itself, count as certain.
    In paired comparisons the values are differences: least is −1.
    """
    if not values:
        return Estimate(math.nan, least, 1.0)
    count, mean, span = len(values), sum(values) / len(values), 1.0 - least
    off: dict[str, float] = {}
    for value, cluster in zip(values, clusters, strict=True):
        off[cluster] = off.get(cluster, 0.0) + value - mean
    groups = len(off)
    share = min(1.0, max(0.0, (mean - least) / span))
    variance = sum(each * each for each in off.values()) * groups / max(1, groups - 1) / count**2
    if variance > _ROUNDING:
        low, high = wilson(share, share * (1 - share) * span**2 / variance)
    elif least < mean < 1 and min(values) == max(values):
        return Estimate(mean, mean, mean)
    else:
        low, high = wilson(share, groups)
    return Estimate(mean, least + low * span, least + high * span)
