"""From which round a run goes on: the last one that is whole. What a power cut or a hand took from a run is named.

A round is whole when everything that the next one reads is as it was written. Each round keeps its state and its
metrics in a file of its own, so that the run can go back to it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.core.errors import InputError
from stages.core.folder.artifact import MANIFEST
from stages.core.folder.content import spoilt
from stages.core.folder.files import read_json
from stages.iterate.opponents import BASE
from stages.iterate.state import (
    METRICS,
    Metrics,
    State,
    read_lines,
    read_round,
    read_state,
    rounds_of,
    write_lines,
    write_state,
)
from stages.train.state import is_whole

LOST = "missing or changed since it was written"


@dataclass(frozen=True)
class Standing:
    """The `state` of the last whole round; the last round that was finished; files and folders that were lost."""

    state: State | None  # None: nothing is finished
    reached: int
    lost: list[Path]

    @property
    def is_ruined(self) -> bool:
        """Whether several rounds would have to be made again from the base model: nobody should do that unasked."""
        return self.state is None and self.reached > 1


def standing(run: Path, *, full: bool) -> Standing:
    """Check everything in `run`. The check compares sizes, beginnings and ends; `full`, every byte."""
    states, lost = _states(run), []
    reached = states[0].iteration if states else 0
    whole = None
    for state in states:
        missing = list(_lost_of(run, state, full))
        if not missing:
            whole = state
            break
        lost += missing
    return Standing(whole, reached, list(dict.fromkeys(lost)))


def go_back(run: Path, found: Standing, *, full: bool) -> list[str]:
    """Make `run` stand where `found` says, and drop what later rounds have lost. Returns what to tell the user."""
    first = found.state.iteration if found.state else 0
    said = [f"{path}: {LOST}" for path in found.lost]
    if found.state and found.state != _recorded(run):
        write_state(run, found.state)
    if first < found.reached:
        if not found.state:
            (run / "state.json").unlink(missing_ok=True)
        _drop(run, found.lost, first)
        said.append(f"{run}: resumes after round {first}; finished rounds that run again: {found.reached - first}")
    said += _mend_metrics(run, first)
    for folder, paths in _spoilt_outputs(run, full):
        if _number(run, folder) > first:
            shutil.rmtree(folder)
            said.append(f"{paths[0]}: {LOST}; {folder.name} is made again")
        else:
            fate = "drawn again when a round needs it" if folder == run / "games" else "the run goes on without it"
            said.append(f"{paths[0]}: {LOST}; {fate}")
    return said


def _recorded(run: Path) -> State | None:
    try:
        return read_state(run)
    except InputError:  # emptied
        return None


def _drop(run: Path, lost: Iterable[Path], first: int) -> None:
    """Delete what could pass for whole, or for a stranger's: training states, and outputs without their manifest."""
    for path in lost:
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name == MANIFEST and _number(run, path.parent) > first and path.parent.is_dir():
            shutil.rmtree(path.parent)


def _states(run: Path) -> list[State]:
    """All that are known, the newest first."""
    known: dict[int, State] = {}
    for path in [run / "state.json", *rounds_of(run)]:
        try:
            state = read_state(run) if path.parent == run else read_round(path)[0]
        except InputError:  # emptied
            continue
        if state is not None:
            known.setdefault(state.iteration, state)
    return [known[number] for number in sorted(known, reverse=True) if number > 0]


def _lost_of(run: Path, state: State, full: bool) -> Iterator[Path]:
    """What the round after `state` reads and does not find as it was written."""
    names = {f"round-{state.iteration:04d}/scored", state.checkpoint, state.switched}
    names |= {f"{name}/checkpoint" for name in state.opponents if name != BASE}
    for name in sorted(filter(None, names)):
        yield from _spoilt(run / name, full)
    if state.training_state and state.checkpoint:
        slot = run / state.training_state
        if not is_whole(slot, _state_id(run / state.checkpoint), full=full):
            yield slot


def _state_id(checkpoint: Path) -> str:
    """Of the training state that was written with the checkpoint."""
    try:
        return str(read_json(checkpoint / MANIFEST)["counts"]["state"])
    except (InputError, KeyError, TypeError):
        return "unknown"


def _spoilt(folder: Path, full: bool) -> list[Path]:
    """The files of a stage's output that are not as its manifest says."""
    try:
        return spoilt(folder, read_json(folder / MANIFEST)["outputs"], full=full)
    except (InputError, KeyError, TypeError):
        return [folder / MANIFEST]


def _spoilt_outputs(run: Path, full: bool) -> Iterator[tuple[Path, list[Path]]]:
    for manifest in sorted(run.glob("**/" + MANIFEST)):
        folder = manifest.parent
        if folder != run and not any(part.startswith(".") for part in folder.relative_to(run).parts):
            paths = _spoilt(folder, full)
            if paths:
                yield folder, paths


def _number(run: Path, folder: Path) -> int:
    """The round that an output belongs to; 0 for those of the run itself."""
    top = folder.relative_to(run).parts[0]
    return int(top.removeprefix("round-")) if top.startswith("round-") else 0


def _mend_metrics(run: Path, finished: int) -> list[str]:
    """Put rows that `metrics.jsonl` has lost back from the rounds' own files."""
    rows = {row["iteration"]: row for row in read_lines(run / METRICS)}
    missing = [number for number in range(1, finished + 1) if number not in rows]
    found: dict[int, Metrics] = {}
    for path in rounds_of(run):
        try:
            row = read_round(path)[1]
        except InputError:
            continue
        found[row["iteration"]] = row
    back = {number: found[number] for number in missing if number in found}
    if back:
        write_lines(run / METRICS, [row for _, row in sorted({**rows, **back}.items())])
    gone = [str(number) for number in missing if number not in found]
    return [f"{run / METRICS}: has lost the rows of rounds {', '.join(gone)}"] if gone else []
