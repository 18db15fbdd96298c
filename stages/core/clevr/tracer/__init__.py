"""A path tracer for CLEVR scenes on Mitsuba's ray casts: several times faster than Mitsuba's own integrators.

It knows only what these scenes hold: one merged mesh, three materials, three unseen square lights and a sun. Verified
against Mitsuba's `volpath` picture by picture (docs/rendering.md). Importing it needs a working LLVM.
"""

from stages.core.clevr.tracer.picture import Traced, owners, trace

__all__ = ["Traced", "owners", "trace"]
