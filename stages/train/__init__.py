"""train: stored completions and their advantages → one or more optimizer steps → a checkpoint (eq. 3 and 6)."""

from stages.train.estimate import estimate
from stages.train.live import Trainer, check_ready, open_trainer
from stages.train.stage import run

__all__ = ["Trainer", "check_ready", "estimate", "open_trainer", "run"]
