"""Intervals for shares."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson(wins: int, games: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval of the share wins / games; (0, 1) without games."""
    if games == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = wins / games
    centre = share + z * z / (2 * games)
    half = z * math.sqrt(share * (1 - share) / games + z * z / (4 * games * games))
    scale = 1 + z * z / games
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)
