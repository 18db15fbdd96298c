"""A trainer without torch that counts updates and rows, so that tests of the loop take milliseconds."""

from __future__ import annotations

from pathlib import Path

from stages.core.folder.files import read_json, write_json
from stages.train.job import Job
from stages.train.plan import rate, updates_of
from stages.train.rows import Row
from stages.train.state import FORMAT, StateInfo, seal

WEIGHTS = "weights.json"


def train_stub(job: Job, rows: list[Row]) -> None:
    """Write the state after: `weights.json` with the numbers of updates and rows so far. The measures are made up."""
    train = job.recipe.train
    updates = updates_of(len(rows), train.rows_per_update)
    before = read_json(Path(job.state_in) / WEIGHTS) if job.state_in else {"updates": 0, "rows": 0}
    after = {"updates": before["updates"] + len(updates), "rows": before["rows"] + len(rows)}
    folder = Path(job.state_out)
    folder.mkdir(parents=True)
    write_json(folder / WEIGHTS, after)
    info = StateInfo(FORMAT, job.state_id, "stub", "stub", job.done + len(updates), job.total, job.recipe.seed)
    seal(folder, info, [_record(job, rows, number, update) for number, update in enumerate(updates)])


def export_stub(state: Path, out: Path) -> None:
    """The checkpoint: the same counter."""
    write_json(out / WEIGHTS, read_json(state / WEIGHTS))


def _record(job: Job, rows: list[Row], number: int, update: range) -> dict[str, float]:
    train = job.recipe.train
    share = job.rate_share * rate(job.done + number, job.total, train)
    zeros = dict.fromkeys(
        ("loss", "kl", "entropy", "clip_ratio", "logprob_gap_mean", "logprob_gap_max", "grad_norm"), 0.0
    )
    tokens = sum(len(rows[place].completion_ids) for place in update)
    counted = {"update": job.done + number + 1, "rows": len(update), "tokens": tokens}
    return {**counted, **zeros, "learning_rate": train.learning_rate * share}
