"""evaluate: compares a policy with another on held-out pictures, or plays a run's checkpoints against each other."""

from stages.evaluate.stage import run
from stages.evaluate.tournament import run as cross_play

__all__ = ["cross_play", "run"]
