"""Intervals for means of values that come in clusters, such as games on the same pair of pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

CONFIDENCE = 0.95  # level of every interval
_NONE = 1e-12  # a variance that is only rounding


class Estimate(NamedTuple):
    """A mean and its confidence interval."""

    mean: float
    low: float
    high: float


def wilson(share: float, size: float, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of a share observed in `size` independent draws; (0, 1) without any."""
    if size <= 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    centre = share + z * z / (2 * size)
    half = z * math.sqrt(share * (1 - share) / size + z * z / (4 * size * size))
    scale = 1 + z * z / size
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def estimate(
    values: Sequence[float], clusters: Sequence[str], confidence: float, *, least: float = 0.0, most: float = 1.0
) -> Estimate:
    """The mean of `values`, each in [least, most], where those of one cluster may depend on each other.

    Wilson's interval on [least, most] with the effective sample size: as many independent draws as would have the
    variance that the clusters show (linearised: Σ_c (Σ_{i in c} (x_i − x̄))² · C / (C − 1) / n², with n values in C
    clusters). Where the clusters show none, C draws: that nothing else was seen proves no certainty. Only values that
    are all the same and inside the range, such as differences of a policy to itself, are taken as certain.
    Paired comparisons give differences as values, in [−1, 1].
    """
    if not values:
        return Estimate(math.nan, least, most)
    count, mean = len(values), sum(values) / len(values)
    off: dict[str, float] = {}
    for value, cluster in zip(values, clusters, strict=True):
        off[cluster] = off.get(cluster, 0.0) + value - mean
    groups = len(off)
    share = min(1.0, max(0.0, (mean - least) / (most - least)))
    variance = sum(each * each for each in off.values()) * groups / max(1, groups - 1) / count**2
    if variance > _NONE:
        low, high = wilson(share, share * (1 - share) * (most - least) ** 2 / variance, confidence)
    elif least < mean < most and min(values) == max(values):
        return Estimate(mean, mean, mean)
    else:
        low, high = wilson(share, groups, confidence)
    return Estimate(mean, least + low * (most - least), least + high * (most - least))
