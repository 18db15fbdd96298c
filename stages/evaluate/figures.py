"""How a measured share stands in `evaluation.json`: its value, and beside it its interval."""

from __future__ import annotations

from typing import Any

import polars as pl

from stages.evaluate.intervals import estimate


def figure(
    name: str, values: pl.Series, clusters: pl.Series, confidence: float, *, least: float = 0.0
) -> dict[str, Any]:
    """`{name: mean, name_interval: [low, high]}`; nulls are errors of the caller, `least` is −1 for differences."""
    numbers = values.cast(pl.Float64)
    assert not numbers.null_count()
    found = estimate(numbers.to_list(), clusters.to_list(), confidence, least=least)
    return {name: found.mean, f"{name}_interval": [found.low, found.high]}
