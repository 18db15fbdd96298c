"""Which round a run resumes after: the last one that is whole. What a power cut or a hand took from a run is named.

A round is whole when everything that the next round reads is as it was written. Each round keeps its state and metrics
in a file of its own, so that the run can go back to it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.core.errors import InputError
from stages.core.folder.artifact import MANIFEST
from stages.core.folder.content import damaged_files
from stages.core.folder.files import read_json
from stages.iterate.opponents import BASE
from stages.iterate.state import (
    METRICS,
    ROUND,
    STATE,
    State,
    read_lines,
    read_round,
    read_state,
    round_files,
    write_lines,
    write_state,
)
from stages.train.state import is_whole

LOST = "missing or changed since it was written"


@dataclass(frozen=True)
class ResumePoint:
    """The state of the last whole round; the last round that was finished; the files and folders that were lost."""

    state: State | None  # None: no round is whole
    reached: int
    lost: list[Path]

    @property
    def loses_rounds(self) -> bool:
        """Whether several rounds would run again from the base model, which nobody should do unasked."""
        return self.state is None and self.reached > 1


def find_resume_point(run: Path, *, full: bool) -> ResumePoint:
    """Check the rounds of `run`, newest first: sizes, beginnings and ends of files or, with `full`, every byte."""
    states, lost = _known_states(run), dict[Path, None]()
    reached = states[0].iteration if states else 0
    for state in states:
        missing = list(_lost_inputs(run, state, full))
        if not missing:
            return ResumePoint(state, reached, list(lost))
        lost |= dict.fromkeys(missing)
    return ResumePoint(None, reached, list(lost))


def go_back(run: Path, point: ResumePoint, *, full: bool) -> list[str]:
    """Put `run` back to `point` and delete what later rounds made, as far as it was damaged. Returns the warnings."""
    last = point.state.iteration if point.state else 0
    warnings = [f"{path}: {LOST}" for path in point.lost]
    if point.state and point.state != _stored_state(run):
        write_state(run, point.state)
    if last < point.reached:
        if not point.state:
            (run / STATE).unlink(missing_ok=True)
        for path in point.lost:  # what is damaged must not pass for whole
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name == MANIFEST and path.parent.is_dir() and _round_of(run, path) > last:
                shutil.rmtree(path.parent)
        warnings.append(f"{run}: resumes after round {last}; finished rounds that run again: {point.reached - last}")
    warnings += _restore_metrics(run, last)
    for manifest in sorted(run.glob(f"**/{MANIFEST}")):
        folder = manifest.parent
        if folder == run or any(part.startswith(".") for part in folder.relative_to(run).parts):
            continue
        if damaged := _damaged(folder, full):
            outcome = "drawn again when a round needs it" if folder == run / "games" else "the run goes on without it"
            if _round_of(run, folder) > last:
                shutil.rmtree(folder)
                outcome = f"{folder.name} is made again"
            warnings.append(f"{damaged[0]}: {LOST}; {outcome}")
    return warnings


def _stored_state(run: Path) -> State | None:
    try:
        return read_state(run)
    except InputError:  # emptied by a power cut
        return None


def _known_states(run: Path) -> list[State]:
    """The states after all finished rounds, the newest first."""
    known = {}
    if stored := _stored_state(run):
        known[stored.iteration] = stored
    for path in round_files(run):
        try:
            state = read_round(path)[0]
        except InputError:
            continue
        known.setdefault(state.iteration, state)
    return [known[number] for number in sorted(known, reverse=True) if number > 0]


def _lost_inputs(run: Path, state: State, full: bool) -> Iterator[Path]:
    """What the round after `state` reads and does not find as it was written."""
    names = {f"round-{state.iteration:04d}/scored", state.checkpoint, state.switched}
    names |= {f"{name}/checkpoint" for name in state.opponents if name != BASE}
    for name in sorted(filter(None, names)):
        yield from _damaged(run / name, full)
    if state.training_state and state.checkpoint:
        slot = run / state.training_state
        if not is_whole(slot, _training_id(run / state.checkpoint), full=full):
            yield slot


def _training_id(checkpoint: Path) -> str:
    """The id of the training state that was written with the checkpoint."""
    try:
        return str(read_json(checkpoint / MANIFEST)["counts"]["state"])
    except (InputError, KeyError, TypeError):
        return "unknown"


def _damaged(folder: Path, full: bool) -> list[Path]:
    """The files of a stage's output that are not as its manifest says."""
    try:
        return damaged_files(folder, read_json(folder / MANIFEST)["outputs"], full=full)
    except (InputError, KeyError, TypeError):
        return [folder / MANIFEST]


def _round_of(run: Path, path: Path) -> int:
    """The round that a file belongs to; 0 for files of the run itself."""
    top = path.relative_to(run).parts[0]
    return int(top.removeprefix("round-")) if top.startswith("round-") else 0


def _restore_metrics(run: Path, last: int) -> list[str]:
    """Restore rows that `metrics.jsonl` has lost from the rounds' own files."""
    rows = {row["iteration"]: row for row in read_lines(run / METRICS)}
    missing = sorted(set(range(1, last + 1)) - set(rows))
    gone = []
    for number in missing:
        try:
            rows[number] = read_round(run / f"round-{number:04d}" / ROUND)[1]
        except InputError:
            gone.append(str(number))
    if len(gone) < len(missing):
        write_lines(run / METRICS, [row for _, row in sorted(rows.items())])
    return [f"{run / METRICS}: has lost the rows of rounds {', '.join(gone)}"] if gone else []
