"""Mitsuba's vectorised variant, and short names for the types that the tracer uses.

Dr.Jit's in-place operators (`&=`, `+=`, …) change an array under all its names, including the fields of a `Hit`. So the
tracer always writes `a = a & b`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

VARIANT = "llvm_ad_rgb"

drjit: Any = import_module("drjit")
mitsuba: Any = import_module("mitsuba")


@contextmanager
def vectorised() -> Iterator[None]:
    """Use Mitsuba's vectorised variant on one thread, and restore the previous variant afterwards."""
    before = mitsuba.variant()
    mitsuba.set_variant(VARIANT)
    drjit.set_thread_count(1)  # pictures run in parallel, so each takes one core
    try:
        yield
    finally:
        if before is not None:
            mitsuba.set_variant(before)


with vectorised():
    Float, UInt, Mask = mitsuba.Float, mitsuba.UInt32, mitsuba.Mask
    Vector, Color, Indices = mitsuba.Vector3f, mitsuba.Color3f, mitsuba.Vector3u


def floats(values: Any) -> Any:
    """A flat Dr.Jit array, from which `drjit.gather(Vector, …)` reads rows of three."""
    return Float(np.ascontiguousarray(values, dtype=np.float32).ravel())


def integers(values: Any) -> Any:
    return UInt(np.ascontiguousarray(values, dtype=np.uint32).ravel())
