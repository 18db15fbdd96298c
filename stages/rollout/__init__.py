"""rollout: plays the dealt games and writes every completion."""

from stages.rollout import preflight
from stages.rollout.stage import run

__all__ = ["preflight", "run"]
