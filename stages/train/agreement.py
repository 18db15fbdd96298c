"""Checks, on a few rows of a call, whether a model computes the same from prefix trees as from plain rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from stages.core.errors import InputError, VzError, first_line
from stages.train.plan import MicroBatch
from stages.train.tree import Form, part, single_branches

if TYPE_CHECKING:
    from stages.train.encode import Batch

# Largest mean difference of log-probs, in nats. Sums over trees and over plain rows round differently. In fp32 that
# gives about 1e-6. In bf16 a logit of 16 has steps of 0.06, which gives about 0.01. A model that looks at the wrong
# tokens is off by tenths. `train.logprob_gap_limit` allows 0.1 between sampler and trainer.
LIMITS = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}
MOST = 4  # rows of a tree to try


def sample(batches: Sequence[MicroBatch], form: Form) -> tuple[MicroBatch, MicroBatch]:
    """A few rows of these batches, as trees and as plain rows: those around the longest shared beginning.

    A batch of padded trees also gets a row of the shortest tree.
    """
    trees = [tree for batch in batches for tree in batch.trees]
    tree = max(trees, key=lambda each: max(branch.shared for branch in each.branches))
    most = max(range(len(tree.branches)), key=lambda place: tree.branches[place].shared)
    chosen = [part(tree, max(0, most - 1), MOST)]
    if form == "batch" and len(trees) > 1:
        chosen.append(part(min(trees, key=lambda each: each.length), 0, 1))
    return MicroBatch(0, tuple(chosen)), MicroBatch(0, single_branches(chosen))


def difference(logprobs: Callable[[Batch], torch.Tensor], shared: Callable[[], Batch], plain: Batch) -> str | None:
    """Why trees cannot be used, or None if log-probs agree. `logprobs` is `completion_logprobs` of a model."""
    expected = logprobs(plain)[0]
    try:
        batch = shared()
        found = logprobs(batch)[0]
    except (InputError, torch.OutOfMemoryError):
        raise
    except (VzError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, NotImplementedError) as error:
        known = isinstance(error, VzError)
        return first_line(error) if known else f"it takes no trees ({type(error).__name__}: {first_line(error)})"
    apart = (found - expected).abs()[plain.mask.bool()].mean().item()
    limit = LIMITS[batch.mask_dtype]
    if apart <= limit:
        return None
    return f"the log-probs of trees and of plain rows differ by {apart:.2g} nats on average (limit {limit:g})"
