"""Writing the numbers of a chart: few digits, the table's unit, millions as M."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

DIGITS = 4  # that a number on a chart has at most, beside those of a whole number
_LETTERS = {1e12: "T", 1e9: "B", 1e6: "M"}


@dataclass(frozen=True)
class Numbers:
    """How a chart writes its numbers: divided, rounded, in groups of three, between what stands around them."""

    decimals: int
    before: str = ""
    after: str = ""
    separator: str = ","
    divisor: float = 1.0

    def write(self, value: float) -> str:
        text = f"{abs(value) / self.divisor:,.{self.decimals}f}".replace(",", self.separator)
        sign = "−" if value < 0 and any(digit in text for digit in "123456789") else ""
        return f"{sign}{self.before}{text}{_LETTERS.get(self.divisor, '')}{self.after}"


def numbers_for(values: Iterable[float], before: str, after: str, separator: str) -> Numbers:
    """As many decimals as the values have, but no more than tell them apart at `DIGITS` digits."""
    shown = [abs(value) for value in values]
    largest = max(shown, default=0.0)
    divisor = next((step for step in _LETTERS if largest >= 10 * step), 1.0)
    whole = math.floor(math.log10(largest / divisor)) + 1 if largest > 0 else 1
    most = min(max(DIGITS - whole, 0), 8)
    decimals = _decimals([value / divisor for value in shown], most)
    return Numbers(_of_money(decimals, before), before, after, separator, divisor)


def for_ticks(numbers: Numbers, ticks: Iterable[float]) -> Numbers:
    """The same for the values along an axis: as many decimals as their steps need."""
    decimals = _decimals([tick / numbers.divisor for tick in ticks], 9)
    return replace(numbers, decimals=_of_money(decimals, numbers.before))


def _of_money(decimals: int, before: str) -> int:
    """Prices have two decimals or none: $6.40, not $6.4."""
    return 2 if before and decimals == 1 else decimals


def _decimals(values: list[float], most: int) -> int:
    scale = max((abs(value) for value in values), default=1.0) or 1.0
    for decimals in range(most):
        if all(abs(round(value, decimals) - value) <= 1e-9 * scale for value in values):
            return decimals
    return most
