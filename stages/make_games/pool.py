"""Many pairs at once, in as many processes as are wanted. Their number changes no byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from stages.core.processes.pool import available_cores, work_through
from stages.make_games.making import make_pair
from stages.make_games.pair import Pair

MOST_TOGETHER = 100  # pairs of a batch, after which progress is seen; `datasets` writes as many rows to a group


def make_all(pairs: Sequence[Pair], work: Path, processes: int, on_made: Callable[[Pair], None]) -> None:
    """Make every pair, in `processes` processes (0: one a core; 1: in this one). The first error ends it."""
    count = min(processes or available_cores(), len(pairs))

    def on_done(made: Sequence[Pair], _: Sequence[None]) -> None:
        for pair in made:
            on_made(pair)

    work_through(partial(make_pair, work=work), _batches(pairs, -(-len(pairs) // max(count, 1))), count, on_done)


def _batches(pairs: Sequence[Pair], share: int) -> Iterator[Sequence[Pair]]:
    """What goes to one process at a time: pairs of one batch, but no more than a process' `share` of all."""
    for _, group in groupby(pairs, key=lambda pair: pair.batch):
        together = list(group)
        most = min(share, MOST_TOGETHER)
        for first in range(0, len(together), most):
            yield together[first : first + most]
