"""What a training reports in its manifest: rows, updates, and the means of what was measured."""

from __future__ import annotations

from collections import Counter
from typing import Any

from stages.train.job import Trained
from stages.train.rows import Row
from stages.train.state import StateInfo

_MEANS = ("loss", "kl", "grad_norm", "entropy", "clip_ratio")
# Of the first update, before the weights change: how far sampler and trainer are apart.
_GAPS = (
    *("logprob_gap_mean", "logprob_gap_tail", "logprob_gap_max"),
    *("capped_tokens", "effective_tokens", "effective_rows"),
)


def counts_of(rows: list[Row], trained: Trained, after: StateInfo, off_policy: int, processes: int) -> dict[str, Any]:
    """By name; means are over the updates, None where there was none."""
    updates = trained.updates
    phases = Counter(row.phase for row in rows if not row.is_anchor)
    means = {name: sum(each[name] for each in updates) / len(updates) if updates else None for name in _MEANS}
    return {
        "rows": phases.total(),
        "clue_rows": phases["clue"],
        "decision_rows": phases["decision"],
        "anchor_rows": len(rows) - phases.total(),
        "off_policy_rows": off_policy,
        "tokens": sum(each["tokens"] for each in updates),
        "updates": len(updates),
        "run_updates": after.updates,
        "schedule_updates": after.total_updates,
        **means,
        "learning_rate": updates[-1]["learning_rate"] if updates else None,
        **{name: updates[0].get(name) if updates else None for name in (*_GAPS, "anchor_kl")},
        "processes": processes,
        "state": after.id,
    }
