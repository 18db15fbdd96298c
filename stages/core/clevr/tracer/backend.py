"""Mitsuba's vectorised variant, and short names for the types that all of the tracer computes with.

Dr.Jit's in-place operators (`&=`, `+=`, …) change an array under all of its names, the fields of a `Hit` among them.
The tracer therefore always writes `a = a & b`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

VARIANT = "llvm_ad_rgb"

drjit: Any = import_module("drjit")
mitsuba: Any = import_module("mitsuba")


@contextmanager
def vectorised() -> Iterator[None]:
    """Mitsuba's vectorised variant, on one thread, for as long; what was chosen before comes back."""
    before = mitsuba.variant()
    mitsuba.set_variant(VARIANT)
    drjit.set_thread_count(1)  # the pictures of a run share out the cores, not one picture
    try:
        yield
    finally:
        if before is not None:
            mitsuba.set_variant(before)


with vectorised():
    Float, UInt, Mask = mitsuba.Float, mitsuba.UInt32, mitsuba.Mask
    Vector, Color = mitsuba.Vector3f, mitsuba.Color3f


def gather3(source: Any, index: Any, active: Any = True) -> Any:
    """Rows `index` of a flat (N · 3) array, as a vector."""
    return Vector(*[drjit.gather(Float, source, index * 3 + part, active) for part in range(3)])


def gather3u(source: Any, index: Any, active: Any = True) -> list[Any]:
    """Rows `index` of a flat (N · 3) array of whole numbers."""
    return [drjit.gather(UInt, source, index * 3 + part, active) for part in range(3)]
