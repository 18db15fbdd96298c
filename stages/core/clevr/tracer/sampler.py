"""A sampler with a separate scrambled low-discrepancy sequence for each pixel and dimension."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stages.core.clevr.tracer.backend import Float, UInt, drjit, integers

ORDERS = 256  # shuffled sample orders, one of which each pixel and dimension uses
PLASTIC_NUMBER = 1.324717957244746
STEPS = tuple(round(2**32 / PLASTIC_NUMBER**power) for power in (1, 2))  # the R2 sequence, in 2⁻³²


@dataclass(frozen=True)
class Sampler:
    """`stream` (a pixel or a group of rays), sample `index` of `count`, and the seed.

    `orders` comes from `shuffled_orders(count)`. A dimension is a constant that identifies a random number's purpose.
    """

    stream: Any
    index: Any
    count: Any
    orders: Any
    seed: Any

    def at(self, index: Any) -> Sampler:
        """The sampler for another sample."""
        return replace(self, index=index)

    def stratified(self, dimension: int) -> tuple[Any, Any]:
        """Two numbers in [0, 1). Over a pixel's samples, they fill the square evenly; dimensions are independent."""
        first = self._hash(dimension)
        second = scramble(first + UInt(0x68E31DA4))
        order = (second >> 8) & UInt(ORDERS - 1)
        place = drjit.gather(UInt, self.orders, order * self.count + self.index)
        return _fraction(first + place * UInt(STEPS[0])), _fraction(second + place * UInt(STEPS[1]))

    def sequential(self, dimension: int) -> tuple[Any, Any]:
        """Like `stratified`, but in sample order: for a single dimension with very many samples."""
        first = self._hash(dimension)
        index = self.index
        return _fraction(first + index * UInt(STEPS[0])), _fraction(scramble(first) + index * UInt(STEPS[1]))

    def independent(self, dimension: int) -> tuple[Any, Any]:
        """Two numbers that are independent of all other samples and dimensions."""
        first = scramble(self._hash(dimension) + scramble(self.index))
        return _fraction(first), _fraction(scramble(first + UInt(0x68E31DA4)))

    def _hash(self, dimension: int) -> Any:
        salt = UInt(0x85EBCA6B * (dimension + 1) & 0xFFFFFFFF)
        return scramble(self.stream * UInt(0x9E3779B9) + scramble(self.seed + salt))


def shuffled_orders(count: int) -> Any:
    """`ORDERS` orders of `count` samples, flat; the same in every run."""
    generator = np.random.default_rng(7)
    return integers(np.concatenate([generator.permutation(count) for _ in range(ORDERS)]))


def scramble(value: Any) -> Any:
    """A well-mixed 32-bit hash (multiply and shift)."""
    value = (value ^ (value >> 16)) * UInt(0x7FEB352D)
    value = (value ^ (value >> 15)) * UInt(0x846CA68B)
    return value ^ (value >> 16)


def _fraction(value: Any) -> Any:
    """A 32-bit integer as a number in [0, 1)."""
    return Float(value >> 8) * 2.0**-24
