"""Finds the round after which a run resumes, and the trainings that it must repeat first. Names what was lost.

A finished round leaves its rows on disk, but not always its training state and its weights (`iterate.save_every`), and
a kill may come before a state is written. So a run resumes after the last round for which everything that cannot be
computed again is still as it was written. It repeats the missing trainings on the stored rows, from the newest training
state on disk. Each round keeps its state and metrics in its own file, so that the run can also go back.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from stages.core.errors import InputError
from stages.core.folder.artifact import MANIFEST
from stages.core.folder.content import damaged_files
from stages.core.folder.files import read_json
from stages.iterate.keeping import STATES, checkpoint_of, has_weights, state_id_of, states_of
from stages.iterate.opponents import name_of, number_of
from stages.iterate.state import (
    METRICS,
    ROUND,
    STATE,
    State,
    read_lines,
    read_round,
    read_state,
    write_lines,
    write_state,
)
from stages.train.state import is_whole, read_info

LOST = "missing or changed since it was written"
OUTSIDE = "outside"  # in the run: answers to prompts outside the game
GUARD = "guard"  # in the run, and in rounds: answers to the guard set
AGAIN = {"games": "drawn again when a round needs it", OUTSIDE: "answered again", GUARD: "answered again"}


@dataclass(frozen=True)
class ResumePoint:
    """Where a run resumes."""

    state: State | None  # after the last round that is whole; None: no round is
    reached: int  # the last round that was finished
    lost: list[Path]  # files and folders without which later rounds are not whole
    trained: int = 0  # the round of the newest training state on disk; 0: training starts from scratch
    training_states: tuple[tuple[int, Path], ...] = ()  # that state and earlier ones, by round, the newest last

    @property
    def last(self) -> int:
        return self.state.iteration if self.state else 0

    @property
    def to_repeat(self) -> range:
        """The rounds whose training is repeated on their stored rows."""
        return range(self.trained + 1, self.last + 1)


def find_resume_point(run: Path, *, full: bool, until: int | None = None) -> ResumePoint:
    """Check the rounds of `run` (up to `until`, if given), the newest first. Checks sizes, beginnings and ends of files
    or, with `full`, every byte."""
    search, lost = _Search(run, full), dict[Path, None]()
    reached = max(search.states, default=0)
    for number in sorted((each for each in search.states if until is None or each <= until), reverse=True):
        known = [trained for trained in sorted(search.trained, reverse=True) if trained <= number]
        for trained in [*known, 0]:
            missing = list(search.missing(number, trained))
            if not missing:
                states = tuple(sorted(each for each in search.trained.items() if each[0] <= trained))
                return ResumePoint(search.states[number], reached, list(lost), trained, states)
            if trained or not known:
                lost |= dict.fromkeys(missing)
    return ResumePoint(None, reached, list(lost))


class _Search:
    """Finds out what is whole in a run."""

    def __init__(self, run: Path, full: bool) -> None:
        self._run, self._full = run, full
        self.states = _known_states(run)
        self.trained = _training_states(run, self.states)
        self._damaged = lru_cache(maxsize=None)(lambda folder: damaged(folder, full=full))

    def missing(self, number: int, trained: int) -> Iterator[Path]:
        """Lost files that the run needs after round `number`, if training resumes from round `trained`."""
        state, again = self.states[number], range(trained + 1, number + 1)
        yield from self._lost(number, "scored")
        if state.played > number:  # games of a policy that may be gone
            yield from self._lost(state.played, "rollouts")
            if (self._run / name_of(state.played) / "signal").is_dir():
                yield from self._lost(state.played, "signal/rollouts")
            if (self._run / name_of(state.played) / GUARD).is_dir():
                yield from self._lost(state.played, GUARD)
        if trained and not is_whole(self.trained[trained], self._id(trained), full=self._full):
            yield self.trained[trained]
        for round in again:
            if not self._id(round):
                yield checkpoint_of(self._run, round) / MANIFEST
            yield from self._lost(round, "kept")
            yield from self._lost(round, "rollouts")
        before = [self.states[round - 1] for round in again if round - 1 in self.states]
        switched = {number_of(Path(each.switched).parent.name) for each in [state, *before] if each.switched}
        for policy in sorted({trained, *switched, *map(number_of, state.opponents)}):
            if 0 < policy <= trained:  # later ones are made again
                yield from self._lost(policy, "checkpoint")
                if not has_weights(checkpoint_of(self._run, policy)):
                    yield checkpoint_of(self._run, policy)

    def _lost(self, number: int, part: str) -> list[Path]:
        return self._damaged(self._run / name_of(number) / part)

    def _id(self, number: int) -> str:
        return state_id_of(checkpoint_of(self._run, number)) or ""


def go_back(run: Path, point: ResumePoint, *, full: bool) -> list[str]:
    """Put `run` back to `point`, and delete damaged outputs of later rounds. Returns warnings."""
    last = point.last
    warnings = [f"{path}: {LOST}" for path in point.lost]
    if point.state and point.state != read_state(run):
        write_state(run, point.state)
    if last < point.reached:
        if not point.state:
            (run / STATE).unlink(missing_ok=True)
        warnings.append(f"{run}: resumes after round {last}; finished rounds that run again: {point.reached - last}")
    if point.lost and point.to_repeat:
        rounds = ", ".join(map(str, point.to_repeat))
        warnings.append(f"{run}: repeats the training of round {rounds} on its kept rows")
    for path in point.lost:  # what is damaged must not pass for whole
        folder = path.parent if path.name == MANIFEST else path
        if folder.is_dir() and (last < point.reached or folder.parent.name == STATES):
            shutil.rmtree(folder)
    for left in run.glob(f"{STATES}/.*"):  # half a state, left by a kill
        shutil.rmtree(left)
    warnings += _restore_metrics(run, last)
    for manifest in sorted(run.glob(f"*/**/{MANIFEST}")):
        folder, parts = manifest.parent, manifest.relative_to(run).parts
        if any(part.startswith(".") for part in parts) or not (lost := damaged(folder, full=full)):
            continue
        outcome = AGAIN.get(str(folder.relative_to(run)), "the run goes on without it")
        if parts[0].startswith("round-") and number_of(parts[0]) > last:
            shutil.rmtree(folder)
            outcome = f"{folder.name} is made again"
        warnings.append(f"{lost[0]}: {LOST}; {outcome}")
    return warnings


def damaged(folder: Path, *, full: bool) -> list[Path]:
    """The files of a stage's output that are not as its manifest says."""
    try:
        return damaged_files(folder, read_json(folder / MANIFEST)["outputs"], full=full)
    except (InputError, KeyError, TypeError):
        return [folder / MANIFEST]


def _known_states(run: Path) -> dict[int, State]:
    """The states after all finished rounds, by round."""
    ends = [read_round(path.parent) for path in run.glob(f"round-*/{ROUND}")]
    states = [*(end.state for end in ends if end), *filter(None, [read_state(run)])]
    return {state.iteration: state for state in states if state.iteration > 0}


def _training_states(run: Path, rounds: Iterable[int]) -> dict[int, Path]:
    """The training states on disk, by the last round that led to them. An unreadable state counts by its name."""
    found, places = {}, {id: place for place in states_of(run) if (id := _id_of(place))}
    for number in rounds:
        named, id = run / STATES / name_of(number), state_id_of(checkpoint_of(run, number))
        if id in places:
            found[number] = places[id]
        elif named.is_dir():
            found[number] = named
    return found


def _id_of(place: Path) -> str | None:
    try:
        return read_info(place).id
    except (InputError, TypeError):
        return None


def _restore_metrics(run: Path, last: int) -> list[str]:
    """Restore lost rows of `metrics.jsonl` from the rounds' own files."""
    rows = {row["iteration"]: row for row in read_lines(run / METRICS)}
    lost = [number for number in range(1, last + 1) if number not in rows]
    restored = {number: end.metrics for number in lost if (end := read_round(run / name_of(number)))}
    if restored:
        write_lines(run / METRICS, [row for _, row in sorted((rows | restored).items())])
    gone = [str(number) for number in lost if number not in restored]
    return [f"{run / METRICS}: has lost the rows of rounds {', '.join(gone)}"] if gone else []
