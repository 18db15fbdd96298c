"""Round numbers for an axis, exact to the last digit: ticks are decimals, so that 0.1 + 0.2 is written 0.3."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

STEPS = tuple(map(Decimal, ("1", "2", "2.5", "5", "10")))
PLAIN = range(-4, 6)  # powers of ten of the step and of the largest tick that are written out


def ticks(low: float, high: float, most: int, *, outward: bool, whole: bool = False) -> list[Decimal]:
    """At most about `most` multiples of a round step between `low` and `high`.

    `outward` takes the next multiples outside as well, so that the ticks enclose both; `whole` takes integers only.
    """
    step = _step(high - low, most)
    if whole:
        step = max(Decimal(1), step.to_integral_value(ROUND_CEILING))
    down, up = (ROUND_FLOOR, ROUND_CEILING) if outward else (ROUND_CEILING, ROUND_FLOOR)
    first = (Decimal(repr(float(low))) / step).to_integral_value(down)
    last = (Decimal(repr(float(high))) / step).to_integral_value(up)
    return [step * (first + place) for place in range(int(last - first) + 1)]


def labels(values: Sequence[Decimal]) -> list[str]:
    """The ticks in words: all with the same decimals, very small and very large ones as 2e−5."""
    step = values[1] - values[0] if len(values) > 1 else abs(values[0]) or Decimal(1)
    largest = max(map(abs, values)) or step
    if step.adjusted() not in PLAIN or largest.adjusted() not in PLAIN:
        return [_minus(f"{value.normalize():e}".replace("e+", "e")) if value else "0" for value in values]
    decimals = max(0, *(-int(value.normalize().as_tuple().exponent) for value in (step, *values)))
    return [_minus(f"{value:,.{decimals}f}") for value in values]


def short(value: float) -> str:
    """A figure in three digits, for tooltips and tables: 0.375, 12.3, 6,924, 3.91e−7."""
    if not math.isfinite(value):
        return _minus(str(value))
    if value == int(value) and abs(value) < 1e6:
        return _minus(f"{int(value):,}")
    if abs(value) >= 1e6 or abs(value) < 5e-4:
        mantissa, _, power = f"{value:.2e}".partition("e")
        return _minus(f"{mantissa}e{int(power)}")
    return _minus(f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{1 if abs(value) >= 100 else 3}f}")


def widened(low: float, high: float) -> tuple[float, float]:
    """A range that can be drawn: one of no or nearly no length gets some around it (0 to 1 for zeros)."""
    if high - low > 1e-9 * max(abs(low), abs(high)) and high - low > 1e-200:
        return low, high
    if abs(high) < 1e-200:
        return 0.0, 1.0
    return low - abs(low) / 10, high + abs(high) / 10


def _step(span: float, most: int) -> Decimal:
    rough = Decimal(repr(float(span))) / most
    power = Decimal(1).scaleb(rough.adjusted())
    return next(step * power for step in STEPS if step * power >= rough)


def _minus(text: str) -> str:
    return text.replace("-", "−")
