"""score: turns votes into rewards, and rewards into advantages. Pure: rollouts and baselines in, scored rows out."""

from stages.score.interface import Rewards
from stages.score.stage import run

__all__ = ["Rewards", "run"]
