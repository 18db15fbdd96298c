"""iterate: plays, scores, filters and trains, round after round (Iterative-SPO, algorithm 1), with the other stages."""

from stages.iterate.stage import run

__all__ = ["run"]
