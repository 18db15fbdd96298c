"""Elo ratings from a table of wins: the Bradley–Terry model, fitted by maximum likelihood."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

_STEPS, _ENOUGH = 10_000, 1e-10
_PRIOR = 0.5  # wins added to each side of every pair that met, so that a clean sweep has a finite rating


def elo(names: Sequence[str], wins: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """Ratings with the first of `names` at 0; `wins[a, b]` are a's wins over b.

    P(a beats b) = 1 / (1 + 10^((R_b − R_a) / 400)). Fitted by Hunter's MM algorithm (Ann. Statist. 32, 2004).
    """
    scores = {pair: count + _PRIOR for pair, count in wins.items()}
    strength = dict.fromkeys(names, 1.0)
    for _ in range(_STEPS):
        before = dict(strength)
        for name in names:
            won = sum(count for (one, _), count in scores.items() if one == name)
            met = sum(
                count / (strength[one] + strength[other])
                for (one, other), count in scores.items()
                if name in (one, other)
            )
            strength[name] = won / met if met else 1.0
        mean = math.exp(sum(math.log(value) for value in strength.values()) / len(names))
        strength = {name: value / mean for name, value in strength.items()}
        if max(abs(math.log(strength[name] / before[name])) for name in names) < _ENOUGH:
            break
    return {name: 400 * math.log10(strength[name] / strength[names[0]]) for name in names}
