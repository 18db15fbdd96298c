"""The trainer of a run, which lives as long as the run, and the policies and training states that it writes."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages import train
from stages.core import vlm
from stages.core.folder.artifact import MANIFEST, Report
from stages.core.folder.content import version_of
from stages.core.folder.files import read_json
from stages.core.play.live import completions_of
from stages.core.printing.terminal import say
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of
from stages.core.vlm.saving import local_folder
from stages.iterate.alarms import reach, with_factors
from stages.iterate.handover import handover_folder
from stages.iterate.keeping import (
    NEWEST,
    STATES,
    checkpoint_of,
    has_weights,
    is_saved,
    kept_states,
    prune_states,
    state_id_of,
)
from stages.iterate.opponents import name_of
from stages.iterate.outside import outside_folder
from stages.iterate.recovery import ResumePoint
from stages.iterate.schedule import start
from stages.iterate.state import State, read_round


@contextmanager
def open_training(run: Path, recipe: Recipe, games: Path, point: ResumePoint) -> Iterator[Training]:
    """The run's trainer, which has repeated the trainings that the resume point asks for."""
    size = weights_size(recipe)
    with (
        handover_folder(run, size) as handover,
        train.open_trainer(recipe, apart=recipe.iterate.play_ahead) as trainer,
    ):
        training = Training(run, recipe, games, trainer, handover, point)
        training.repeat(point.to_repeat)
        yield training


class Training:
    """Trains the rounds of a run, in order, with one trainer."""

    def __init__(
        self, run: Path, recipe: Recipe, games: Path, trainer: train.Trainer, handover: Path, point: ResumePoint
    ) -> None:
        self._run, self._recipe, self._games, self._trainer, self._handover = run, recipe, games, trainer, handover
        self._states = list(point.training_states)  # the newest last

    @property
    def oldest(self) -> int:
        """The last round whose training never needs to be repeated after a kill."""
        return self._states[0][0] if len(self._states) >= NEWEST else 0

    def policy(self, number: int) -> str | Path:
        """Where the policy after round `number` is. If its weights are nowhere, this is only its checkpoint's name."""
        if number == 0:
            return place_of(self._recipe.model.path)
        folder = checkpoint_of(self._run, number)
        return self._handed_over(number) if not has_weights(folder) and self._is_handed_over(number) else folder

    def has(self, number: int) -> bool:
        """Whether the weights after round `number` are on disk, or were handed over."""
        return number == 0 or has_weights(checkpoint_of(self._run, number)) or self._is_handed_over(number)

    def train(self, number: int, before: State, *, saved: bool, planned_updates: int | None) -> Report:
        """Train round `number` on its kept rows.

        With `saved`, its training state and weights go to disk, the state in the background. Otherwise the weights are
        handed over to the engine, and the state stays in the trainer.
        """
        folder, state = self._run / name_of(number), self._run / STATES / name_of(number)
        holds_to_base = self._recipe.train.anchor_to == "base" or before.switched is None
        base = place_of(self._recipe.model.path)
        for handed_over in self._handover.glob("round-*"):
            if handed_over != self._handed_over(number - 1):  # which may be playing
                shutil.rmtree(handed_over)
        report = train.run(
            with_factors(self._recipe, before.factors),
            folder / "kept",
            folder / "checkpoint",
            rollouts=folder / "rollouts",
            games=self._games,
            model=checkpoint_of(self._run, number - 1) if number > 1 else base,
            base=base,
            anchor=base if holds_to_base else self._run / str(before.switched),
            outside=outside_folder(self._run, self._recipe),
            state_in=self._newest_state if number > 1 else None,
            state_out=state,
            planned_updates=planned_updates,
            trainer=self._trainer,
            handover=None if saved else self._handed_over(number),
            played_before=self._recipe.iterate.play_ahead,
            overwrite=True,
        )
        if saved:  # the state before it is whole now
            self._states = kept_states([*self._states, (number, state)], reach(self._recipe))
            prune_states(self._run, [place for _, place in self._states])
        return report

    def repeat(self, rounds: range) -> None:
        """Train finished rounds again on their kept rows, and save what was saved before."""
        for number in rounds:
            folder = checkpoint_of(self._run, number)
            say(f"repeats the training of round {number}, whose state was not saved")
            before, after = self._state(number - 1), self._state(number)
            saved = is_saved(number, before, after, self._recipe)
            if self._recipe.model.lora is None:  # an adapter is saved in any case
                saved = saved or after.checkpoint == str(folder.relative_to(self._run))
            planned = read_json(folder / MANIFEST)["settings"]["planned_updates"]  # as it was then
            self.train(number, before, saved=saved, planned_updates=planned)

    def sleep(self) -> None:
        """Leave the accelerator to the engine."""
        self._trainer.sleep()

    def _state(self, number: int) -> State:
        """The state after a finished round."""
        if number == 0:
            return State(0, start(self._recipe.iterate))
        end = read_round(self._run / name_of(number))
        assert end is not None  # `find_resume_point` has read it
        return end.state

    @property
    def _newest_state(self) -> Path:
        """Where training continues from, if the trainer does not already hold the state."""
        return self._states[-1][1] if self._states else self._run / STATES / "none"

    def _handed_over(self, number: int) -> Path:
        """Where the weights after round `number` go, if they go to no checkpoint."""
        return self._handover / name_of(number)

    def _is_handed_over(self, number: int) -> bool:
        folder = self._handed_over(number)
        return folder.is_dir() and version_of(folder) == state_id_of(checkpoint_of(self._run, number))


def planned_updates(recipe: Recipe) -> int | None:
    """Optimizer steps that the schedule spans. Each round counts one step, or as many as its largest phase fills.

    None if the recipe fixes the number.
    """
    if recipe.train.total_updates is not None:
        return None
    if recipe.train.rows_per_update is None:
        return recipe.iterate.rounds
    clues = recipe.game.players * recipe.game.clue_rounds
    rows = recipe.iterate.games * max(clues, completions_of(recipe.game) - clues)
    return recipe.iterate.rounds * math.ceil(rows / recipe.train.rows_per_update)


def weights_size(recipe: Recipe) -> int:
    """Bytes of the full weights that go to the engine; 0 if an adapter trains, or nothing does."""
    if recipe.model.lora is not None or recipe.train.trainer == "stub":
        return 0
    base = str(place_of(recipe.model.path))
    folder = local_folder(base, vlm.revision_of(base, recipe.model))
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
