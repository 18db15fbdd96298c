"""Even random numbers: for each pixel and purpose a scrambled low-discrepancy sequence of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stages.core.clevr.tracer.backend import Float, UInt, drjit

ORDERS = 256  # shuffled orders of the samples, from which each pixel and purpose takes one
PLASTIC_NUMBER = 1.324717957244746
STEPS = tuple(round(2**32 / PLASTIC_NUMBER**power) for power in (1, 2))  # the R2 sequence, in 2⁻³²


@dataclass(frozen=True)
class Chance:
    """Where random numbers are drawn from: `where` (pixel or group of rays), sample `number` of `count`, and the seed.

    `orders` comes from `shuffled_orders(count)`.
    """

    where: Any
    number: Any
    count: Any
    orders: Any
    seed: Any

    def at(self, number: Any) -> Chance:
        """The same for another sample."""
        return replace(self, number=number)

    def pair(self, purpose: int) -> tuple[Any, Any]:
        """Two numbers in [0, 1). Over a pixel's samples they fill the square evenly; purposes are independent."""
        first = self._start(purpose)
        second = scramble(first + UInt(0x68E31DA4))
        order = (second >> 8) & UInt(ORDERS - 1)
        place = drjit.gather(UInt, self.orders, order * self.count + self.number)
        return _fraction(first + place * UInt(STEPS[0])), _fraction(second + place * UInt(STEPS[1]))

    def even_pair(self, purpose: int) -> tuple[Any, Any]:
        """As `pair`, in the order of the numbers: for one purpose only, of very many samples."""
        first = self._start(purpose)
        number = self.number
        return _fraction(first + number * UInt(STEPS[0])), _fraction(scramble(first) + number * UInt(STEPS[1]))

    def free_pair(self, purpose: int) -> tuple[Any, Any]:
        """Two numbers that have nothing to do with those of any other sample or purpose."""
        first = scramble(self._start(purpose) + scramble(self.number))
        return _fraction(first), _fraction(scramble(first + UInt(0x68E31DA4)))

    def _start(self, purpose: int) -> Any:
        salt = UInt(0x85EBCA6B * (purpose + 1) & 0xFFFFFFFF)
        return scramble(self.where * UInt(0x9E3779B9) + scramble(self.seed + salt))


def shuffled_orders(count: int) -> Any:
    """`ORDERS` orders of `count` samples, flat. The same in every run."""
    draw = np.random.default_rng(7)
    return UInt(np.concatenate([draw.permutation(count) for _ in range(ORDERS)]).astype(np.uint32))


def scramble(value: Any) -> Any:
    """A well-mixed 32-bit hash (multiply and shift)."""
    value = (value ^ (value >> 16)) * UInt(0x7FEB352D)
    value = (value ^ (value >> 15)) * UInt(0x846CA68B)
    return value ^ (value >> 16)


def _fraction(value: Any) -> Any:
    """A whole number of 32 bits as a number in [0, 1)."""
    return Float(value >> 8) * 2.0**-24
