"""rollout: play the dealt games and write every completion."""

from stages.rollout.stage import run

__all__ = ["run"]
