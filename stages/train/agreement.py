"""Whether a model computes the same from prefix trees as from plain rows: tried on rows of this call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from stages.core.errors import InputError, VzError, first_line
from stages.train.plan import MicroBatch
from stages.train.tree import Tree, single_branches

if TYPE_CHECKING:
    from stages.train.encode import Batch

# Largest mean difference of log-probs, in nats. The sums of trees and of plain rows are rounded differently. In fp32
# that gives some 1e-6. In bf16 a logit of 16 has steps of 0.06, which gives some 0.01; a model that looks at the wrong
# tokens is off by tenths. `train.logprob_gap_limit` allows 0.1 between sampler and trainer.
LIMITS = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}
MOST = 3  # rows of a tree that are tried


def sample(batches: Sequence[MicroBatch]) -> tuple[MicroBatch, MicroBatch]:
    """A few rows of these batches as trees and as plain rows: of the longest tree that shares, and of the shortest."""
    trees = [tree for batch in batches for tree in batch.trees]
    sharing = [tree for tree in trees if len(tree.branches) > 1] or trees
    chosen = dict.fromkeys(
        Tree(tree.branches[:MOST])
        for tree in (max(sharing, key=lambda tree: tree.length), min(trees, key=lambda tree: tree.length))
    )
    together = MicroBatch(0, tuple(chosen))
    return together, MicroBatch(0, single_branches(together.trees))


def difference(logprobs: Callable[[Batch], torch.Tensor], shared: Batch, plain: Batch) -> str | None:
    """Why trees cannot be used, or None if log-probs agree. `logprobs` is `completion_logprobs` of a model."""
    expected = logprobs(plain)[0]
    try:
        found = logprobs(shared)[0]
    except (InputError, torch.OutOfMemoryError):
        raise
    except (VzError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, NotImplementedError) as error:
        return f"its forward pass takes no trees ({type(error).__name__}: {first_line(error)})"
    apart = (found - expected).abs()[plain.mask.bool()].mean().item()
    limit = LIMITS[shared.mask_dtype]
    if apart <= limit:
        return None
    return f"the log-probs of trees and of plain rows differ by {apart:.2g} nats on average (limit {limit:g})"
