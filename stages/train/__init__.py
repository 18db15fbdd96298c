"""train: stored completions and their advantages → one or more optimizer steps → a checkpoint (eq. 3 and 6)."""

from stages.train.estimate import estimate
from stages.train.launch import check_ready
from stages.train.stage import run

__all__ = ["check_ready", "estimate", "run"]
