"""evaluate: held-out games of two policies against each other."""

from stages.evaluate.stage import run

__all__ = ["run"]
