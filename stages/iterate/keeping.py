"""Which of a run's policies and training states go to disk, and which of those stay."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from stages.core.errors import InputError
from stages.core.folder.artifact import MANIFEST
from stages.core.folder.files import delete_folder, read_json
from stages.core.recipe import Recipe
from stages.iterate.alarms import reach
from stages.iterate.opponents import name_of, number_of
from stages.iterate.state import State, read_round
from stages.train.state import UPDATES

STATES = "training-state"
NEWEST = 2  # training states that stay: one may still be being written, or turn out to be damaged


def is_saved(number: int, before: State, after: State, recipe: Recipe) -> bool:
    """Whether the training state and the full weights after a round go to disk.

    They do every `iterate.save_every` rounds, and after rounds whose policy is needed later: as the run's result, by an
    evaluation, to anchor a phase, or as an opponent.
    """
    settings, last = recipe.iterate, recipe.iterate.rounds
    every = [settings.save_every, settings.keep_every, recipe.evaluate.every]
    every += [settings.opponents.every] if settings.opponents.share > 0 else []
    plays_on = settings.play_ahead and number == last - 1  # would play the next game, if the run went on
    is_due = any(rounds and number % rounds == 0 for rounds in every)
    return is_due or number == last or plays_on or after.schedule.phase != before.schedule.phase


def checkpoint_of(run: Path, number: int) -> Path:
    return run / name_of(number) / "checkpoint"


def has_weights(checkpoint: Path) -> bool:
    """Whether a finished round's checkpoint has weights, or only the measures of its training."""
    try:
        return bool(read_json(checkpoint / MANIFEST)["outputs"].keys() - {UPDATES})
    except (InputError, KeyError, TypeError, AttributeError):
        return False


def state_id_of(checkpoint: Path) -> str | None:
    """The id of the training state that belongs to a round's checkpoint; None if the checkpoint is gone."""
    try:
        return str(read_json(checkpoint / MANIFEST)["counts"]["state"])
    except (InputError, KeyError, TypeError):
        return None


def prune(run: Path, recipe: Recipe, state: State, oldest: int) -> None:
    """Delete the checkpoints of finished rounds that the recipe does not keep.

    Rounds from `oldest` on stay: the run may have to repeat their training.
    """
    last, every = state.iteration, recipe.iterate.keep_every
    if recipe.iterate.play_ahead:  # the policy before the last plays the next round, or has played it
        oldest = min(oldest, last - 1)
    oldest = min(oldest, last - reach(recipe))  # an alarm may roll the run back this far
    there = {number_of(folder.parent.name): folder for folder in run.glob("round-*/checkpoint")}
    with_weights = sorted(number for number, folder in there.items() if number <= last and has_weights(folder))
    keep = {number for number in there if number >= oldest or (every and number % every == 0)}
    keep |= set(with_weights[-recipe.iterate.keep_checkpoints :])
    keep |= {state.best.iteration} if state.best else set()
    keep |= {number_of(name) for name in state.opponents}
    ends = [state, *(end.state for number in range(max(1, oldest), last) if (end := read_round(run / name_of(number))))]
    keep |= {number_of(Path(end.switched).parent.name) for end in ends if end.switched}
    for number, folder in sorted(there.items()):
        if number <= last and number not in keep:
            (folder / MANIFEST).unlink(missing_ok=True)  # first: a kill must leave nothing that looks like an output
            shutil.rmtree(folder)


def states_of(run: Path) -> list[Path]:
    """The training states of a run, without the one that is being written now, which has a hidden name."""
    return sorted(folder for folder in run.glob(f"{STATES}/*") if not folder.name.startswith("."))


def kept_states(states: Sequence[tuple[int, Path]], back: int) -> list[tuple[int, Path]]:
    """The training states that stay, of those on disk by round: the newest, and as many earlier ones as a rollback by
    `back` rounds needs."""
    newest = states[-1][0]
    reached = [place for place, (number, _) in enumerate(states) if number <= newest - back]
    return list(states[min(max(reached, default=0), max(0, len(states) - NEWEST)) :])


def prune_states(run: Path, keep: list[Path]) -> None:
    """Delete all training states but those in `keep`."""
    for folder in states_of(run):
        if folder not in keep:
            delete_folder(folder)
