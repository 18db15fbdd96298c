"""A round's time in its row of `timings.jsonl`: engine, optimizer, and the overhead with its largest parts."""

from __future__ import annotations

from stages.core.clock import Breakdown
from stages.iterate.state import Metrics

LARGEST = 8  # parts of the overhead that are named
LEAST = 0.001  # seconds of a part that is named


def breakdown(found: Breakdown) -> Metrics:
    """The columns `breakdown` and `overhead` of a round's timings, in seconds."""
    named = [(name, seconds) for name, seconds in found.parts.items() if seconds >= LEAST][:LARGEST]
    return {
        "breakdown": {
            "total": round(found.total, 3),
            "engine": round(found.engine, 3),
            "optimizer": round(found.optimizer, 3),
            "overhead": round(found.overhead, 3),
        },
        "overhead": {name: round(seconds, 3) for name, seconds in named},
    }
