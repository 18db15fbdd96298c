"""A trainer without torch, which only counts updates and rows, so that tests of the loop take milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from stages.core.folder.artifact import MANIFEST
from stages.core.folder.content import outputs
from stages.core.folder.files import read_json, replace_folder, write_json
from stages.core.recipe import Recipe
from stages.train.job import Job
from stages.train.live import Trainer
from stages.train.plan import rate, updates_of
from stages.train.rows import Row
from stages.train.state import FORMAT, STATE, UPDATES, StateInfo, Trained, read_trained

WEIGHTS = "weights.json"


class Stub(Trainer):
    """Its weights are the numbers of updates and rows so far. The measures are made up."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self._weights = {"updates": 0, "rows": 0}

    def check(self, job: Job) -> list[str]:
        return []

    def _train(self, job: Job, rows: Sequence[Row]) -> Trained:
        if not self.holds(job):
            self._load(job)
        if self.state_id != job.state_id:
            kept = sum(not row.is_outside for row in rows)
            updates = updates_of(kept, self.recipe.train.rows_per_update, self.recipe.train.outside_rows)
            before = self._weights
            self._weights = {"updates": before["updates"] + len(updates), "rows": before["rows"] + len(rows)}
            records = [_record(job, rows, number, update) for number, update in enumerate(updates)]
            self.held = Trained(_info(job, job.state_id, job.done + len(updates)), records)
        assert self.held is not None
        if job.state_out is not None:
            _write_state(Path(job.state_out), self.held, self._weights)
        self._export(job)
        return self.held

    def sleep(self) -> None: ...

    def close(self) -> None: ...

    def _load(self, job: Job) -> None:
        if job.state_in is None:
            self._weights, self.held = {"updates": 0, "rows": 0}, Trained(_info(job, job.start, job.done), [])
        else:
            self._weights, self.held = read_json(Path(job.state_in) / WEIGHTS), read_trained(Path(job.state_in))

    def _export(self, job: Job) -> None:
        if job.handover is None or job.recipe.model.lora is not None:
            write_json(Path(job.out or "") / WEIGHTS, self._weights)
            return
        folder = Path(job.handover)
        work = folder.with_name(f".{folder.name}.partial")
        work.mkdir(parents=True)
        write_json(work / WEIGHTS, self._weights)
        write_json(work / MANIFEST, {"stage": "train", "identity": job.state_id, "outputs": {}})
        replace_folder(work, folder, durable=False)


def _write_state(folder: Path, trained: Trained, weights: dict[str, int]) -> None:
    work = folder.with_name(f".{folder.name}.partial")
    work.mkdir(parents=True, exist_ok=True)
    write_json(work / WEIGHTS, weights)
    write_json(work / UPDATES, {"updates": trained.updates})
    write_json(work / STATE, asdict(replace(trained.info, files=outputs(work))))
    replace_folder(work, folder)


def _info(job: Job, state_id: str, updates: int) -> StateInfo:
    return StateInfo(FORMAT, state_id, "stub", "stub", updates, job.total, job.recipe.seed)


def _record(job: Job, rows: Sequence[Row], number: int, update: Sequence[int]) -> dict[str, float]:
    train = job.recipe.train
    share = job.rate_share * rate(job.done + number, job.total, train)
    zeros = dict.fromkeys(
        ("loss", "kl", "entropy", "clip_ratio", "logprob_gap_mean", "logprob_gap_max", "grad_norm"), 0.0
    )
    tokens = sum(len(rows[place].completion_ids) for place in update)
    counted = {"update": job.done + number + 1, "rows": len(update), "tokens": tokens}
    return {**counted, **zeros, "learning_rate": train.learning_rate * share}
