"""What a training process replays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stages.core.progress import Progress
from stages.core.recipe import Recipe
from stages.train.correction import corrects
from stages.train.plan import MicroBatch
from stages.train.rows import Row


@dataclass
class Replay:
    """What is replayed: the rows, their division into updates, and where in the run this call stands."""

    recipe: Recipe
    rows: Sequence[Row]
    updates: Sequence[range]
    batches: Sequence[MicroBatch]  # of this process
    ratio_to_start: bool  # the importance ratio divides by log-probs of before the first update
    sampler: str  # how rows name what computes as training does
    off_policy: int  # rows that other weights played
    done: int  # updates of the run before
    total: int  # that the schedule spans
    rate_share: float  # of the schedule's learning rate
    progress: Progress

    def corrected(self, row: Row) -> bool:
        """Whether the row gets an importance weight."""
        return corrects(self.recipe.train, row, self.sampler)

    def tokens(self, update: int) -> int:
        """Tokens of the update that train; anchors' do not count."""
        rows = (self.rows[place] for place in self.updates[update])
        return sum(len(row.completion_ids) for row in rows if not row.is_anchor)

    def rows_and_anchors(self, update: int) -> tuple[int, int]:
        """How many rows of the update train, and how many are anchors."""
        anchors = sum(self.rows[place].is_anchor for place in self.updates[update])
        return len(self.updates[update]) - anchors, anchors
