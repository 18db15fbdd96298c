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
from stages.iterate.opponents import BASE, name_of, number_of
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
from stages.train.state import is_whole

LOST = "missing or changed since it was written"


@dataclass(frozen=True)
class ResumePoint:
    """The state of the last whole round; the last round that was finished; the files and folders that were lost."""

    state: State | None  # None: no round is whole
    reached: int
    lost: list[Path]


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
    if point.state and point.state != read_state(run):
        write_state(run, point.state)
    if last < point.reached:
        if not point.state:
            (run / STATE).unlink(missing_ok=True)
        for path in point.lost:  # what is damaged must not pass for whole
            folder = path.parent if path.name == MANIFEST else path
            if folder.is_dir():
                shutil.rmtree(folder)
        warnings.append(f"{run}: resumes after round {last}; finished rounds that run again: {point.reached - last}")
    warnings += _restore_metrics(run, last)
    for manifest in sorted(run.glob(f"*/**/{MANIFEST}")):
        folder, parts = manifest.parent, manifest.relative_to(run).parts
        if any(part.startswith(".") for part in parts) or not (lost := damaged(folder, full=full)):
            continue
        outcome = "drawn again when a round needs it" if folder == run / "games" else "the run goes on without it"
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


def _known_states(run: Path) -> list[State]:
    """The states after all finished rounds, the newest first."""
    ends = [read_round(path.parent) for path in run.glob(f"round-*/{ROUND}")]
    states = [*(end.state for end in ends if end), *filter(None, [read_state(run)])]
    known = {state.iteration: state for state in states if state.iteration > 0}
    return [known[number] for number in sorted(known, reverse=True)]


def _lost_inputs(run: Path, state: State, full: bool) -> Iterator[Path]:
    """What the round after `state` reads and does not find as it was written."""
    names = {f"{name_of(state.iteration)}/scored", state.checkpoint, state.switched}
    names |= {f"{name}/checkpoint" for name in state.opponents if name != BASE}
    for name in sorted(filter(None, names)):
        yield from damaged(run / name, full=full)
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


def _restore_metrics(run: Path, last: int) -> list[str]:
    """Restore rows that `metrics.jsonl` has lost from the rounds' own files."""
    rows = {row["iteration"]: row for row in read_lines(run / METRICS)}
    lost = [number for number in range(1, last + 1) if number not in rows]
    restored = {number: end.metrics for number in lost if (end := read_round(run / name_of(number)))}
    if restored:
        write_lines(run / METRICS, [row for _, row in sorted((rows | restored).items())])
    gone = [str(number) for number in lost if number not in restored]
    return [f"{run / METRICS}: has lost the rows of rounds {', '.join(gone)}"] if gone else []
