"""iterate: play, score, filter, train; round after round (Iterative-SPO, algorithm 1). Alone composes the stages."""

from stages.iterate.stage import run

__all__ = ["run"]
