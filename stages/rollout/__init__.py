"""rollout: play the dealt games and write every completion."""

from stages.rollout import preflight
from stages.rollout.stage import run

__all__ = ["preflight", "run"]
