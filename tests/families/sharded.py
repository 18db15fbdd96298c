"""The trainings of every family that are compared on one process and on two, and the process that runs them.

`python -m tests.families.sharded JOBS` is one of the launched processes. It runs job after job, because starting
processes costs more than a training.
"""

from __future__ import annotations

import json
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core.recipe import Recipe
from stages.train.job import Job
from tests.train import world

ANCHOR, ANCHORED = "anchor", "kept-anchored"  # folders beside the model and beside the kept rows


@dataclass(frozen=True)
class Case:
    """One way of training: `rounds` rounds, each of one update over seven rows."""

    lora: bool
    kl: float
    rounds: int
    anchored: bool = False  # the first of two rows holds to a model of its own
    tokens: int = 400  # at once: several rows

    @property
    def name(self) -> str:
        kind = f"{'lora' if self.lora else 'full'}-{self.kl}{'-anchored' if self.anchored else ''}"
        return f"{kind}-by-{self.tokens}"

    def recipe(self, model: Path, processes: int) -> Recipe:
        """A large ε makes AdamW's steps proportional to the gradient, so that rounding errors in a gradient of nearly 0
        do not become steps of full length.
        """
        return world.recipe(
            model,
            lora=self.lora,
            kl=self.kl,
            processes=processes,
            accelerate_config="fsdp2" if processes > 1 else None,
            tokens_per_batch=self.tokens,
            ratio="on-policy",
            adam_epsilon=1e-2,
            learning_rate=1e-3,
            **world.LIMITLESS,
        )

    def jobs(self, rows: world.World, folder: Path, processes: int) -> list[Job]:
        """One job a round; each goes on from the state of the one before."""
        return [
            self._job(rows, folder / f"{self.name}-on-{processes}", number, processes) for number in range(self.rounds)
        ]

    def _job(self, rows: world.World, folder: Path, number: int, processes: int) -> Job:
        model = str(rows.model)
        return Job(
            recipe=self.recipe(rows.model, processes),
            kept=str(rows.kept.with_name(ANCHORED) if self.anchored else rows.kept),
            rollouts=str(rows.rollouts),
            games=str(rows.games),
            model=model,
            base=model,
            anchor=str(rows.model.with_name(ANCHOR)) if self.anchored else model,
            outside=None,
            state_in=str(folder / f"state{number - 1}") if number else None,
            state_out=str(folder / f"state{number}"),
            done=number,
            total=self.rounds,
            rate_share=1.0,
            start=f"{self.name} {number - 1}",
            state_id=f"{self.name} {number}",
            off_policy=0,
        )


CASES = (
    Case(False, 0.04, 2),
    Case(True, 0.04, 2),
    Case(False, 0.0, 1),
    Case(True, 0.0, 1),
    Case(False, 0.0, 1, anchored=True, tokens=1),  # one process has the anchor, the other the row that trains
)
ADDED_UP_OTHERWISE = Case(False, 0.04, 2, tokens=1)  # the first case, but for the order of its sums


def train_all(jobs: list[Job]) -> None:
    """Run the jobs; each leaves its state."""
    from stages.train.rows import read_rows
    from stages.train.training import Training

    for job in jobs:
        rows = read_rows(Path(job.kept), Path(job.rollouts), Path(job.games), job.recipe.train.loss)
        with Training(job.recipe, launched=job.recipe.train.processes > 1) as trainer:
            trainer.train(job, rows)


def updates_of(job: Job) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = json.loads(Path(job.state_out, "training.json").read_text())["updates"]
    return made


if __name__ == "__main__":
    train_all(pickle.loads(Path(sys.argv[1]).read_bytes()))
