"""A trainer holds the policy and its optimizer in memory, for one call of the stage or for a whole run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

from stages.core.errors import MissingExtra
from stages.core.folder.faults import refuse_damaged
from stages.core.recipe import Recipe
from stages.core.vlm.arithmetic import warn_if_slow
from stages.train.accelerate_file import spread_of
from stages.train.meeting import secret
from stages.train.policy import check_precision
from stages.train.state import NotFinite, StateInfo, Trained, read_info_of, refuse_damaged_state

if TYPE_CHECKING:
    from stages.train.job import Job
    from stages.train.rows import Row

PACKAGES = ("torch", "transformers", "trl", "accelerate", "peft")


class Trainer(ABC):
    """Trains in this process or in others. A context manager. `open_trainer` makes the one that a recipe asks for.

    It loads nothing before the first call that trains. After an error it holds the state from before the call, or none.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.held: Trained | None = None  # the state in memory
        self.known: dict[str, StateInfo] = {}  # the states that were in memory, by id
        self._warnings: list[str] = []

    @property
    def state_id(self) -> str | None:
        """The id of the state in memory."""
        return self.held.info.id if self.held else None

    def holds(self, job: Job) -> bool:
        """Whether the job needs nothing from disk."""
        return self.state_id is not None and self.state_id in (job.start, job.state_id)

    def check(self, job: Job) -> list[str]:
        """Refuse what would fail during loading or export, before loading anything. Returns warnings."""
        if not self.holds(job):
            from stages.train.checks import check

            check_ready(self.recipe)
            self._warnings = check(job)
        return list(self._warnings)

    def train(self, job: Job, rows: Sequence[Row]) -> Trained:
        """Bring the policy to the job's state, write what the job asks for, and return the state.

        Without rows nothing trains. Raises `InputError` for rows that do not belong to this model, before any update.
        """
        if job.state_in is not None and not self.holds(job):
            read_info_of(Path(job.state_in), job.start, job.model)
        try:
            trained = self._train(job, rows)
        except NotFinite as error:
            if job.state_in is not None and Path(job.state_in).is_dir():
                refuse_damaged_state(Path(job.state_in))
            refuse_damaged(error, job.model, job.base)
            raise
        self.known[trained.info.id] = trained.info
        return trained

    @abstractmethod
    def _train(self, job: Job, rows: Sequence[Row]) -> Trained: ...

    @abstractmethod
    def sleep(self) -> None:
        """Move everything to RAM, so that an engine can use the GPU. The next call moves it back."""

    @abstractmethod
    def close(self) -> None:
        """Wait until the last state is on disk, and free everything. Raises errors from writing the state."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_trainer(recipe: Recipe, *, apart: bool = False) -> Trainer:
    """The trainer for a recipe: in this process, or in `train.processes` others that live until it is closed."""
    train = recipe.train
    if train.trainer == "stub":
        from stages.train.stub import Stub

        return Stub(recipe)
    check_ready(recipe)
    if apart or train.processes > 1 or train.accelerate_config is not None:
        from stages.train.launch import Launched

        return Launched(recipe)
    from stages.train.training import Training

    return Training(recipe)


def check_ready(recipe: Recipe) -> None:
    """`InputError` if training lacks a package, a file or the secret. A run checks this before its first game."""
    if recipe.train.trainer != "stub":
        check_packages()
        check_precision(recipe, spread_of(recipe))
        warn_if_slow(recipe)
        if recipe.train.machines > 1:
            secret()


def check_packages() -> None:
    """`MissingExtra` if training lacks a package."""
    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingExtra("train", package)
