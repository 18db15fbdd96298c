"""Where a run stands: the state after its last round, and the state and metrics of every round.

Earlier versions wrote more fields, which are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from stages.core.errors import InputError
from stages.core.folder.files import parse_json, read_json, write_json, write_text
from stages.iterate.opponents import Record
from stages.iterate.schedule import Schedule

Metrics = dict[str, Any]
STATE = "state.json"
METRICS = "metrics.jsonl"  # a row for each round
TIMINGS = "timings.jsonl"  # the same, but not comparable between runs
EVALUATIONS = "evaluations.jsonl"  # a row for each evaluation
ROUND = "round.json"  # in a finished round's folder: the state after it, and its metrics

# Fields that every row has. A row of metrics without them counts as lost, and is restored from its round.
ROWS: dict[str, dict[str, type]] = {METRICS: {"iteration": int, "phase": str, "warnings": list}}

T = TypeVar("T")


@dataclass(frozen=True)
class Best:
    """The policy whose votes were right most often, by the round that made it."""

    iteration: int
    vote_accuracy: float


@dataclass(frozen=True)
class State:
    """What the next round needs to know of those before, besides their `scored/baselines.json`."""

    iteration: int  # last finished round; 0 before the first
    schedule: Schedule
    checkpoint: str | None = None  # the newest with weights, relative to the run; None: none yet
    updates: int = 0  # optimizer steps so far
    baselines: dict[str, float] = field(default_factory=lambda: {"spy": 0.0, "civilian": 0.0})
    switched: str | None = None  # the checkpoint at the last change of phase; None: the base model
    best: Best | None = None  # of the policies that have played
    played: int = 0  # the round whose games were played ahead; 0 if none were
    factors: dict[str, float] = field(default_factory=dict)  # of training's weights, as alarms have adapted them
    opponents: dict[str, Record] = field(default_factory=dict)  # the pool, and how often its members were beaten


@dataclass(frozen=True)
class RoundEnd:
    """What a finished round leaves for the run: the state after it, and its metrics."""

    state: State
    metrics: Metrics


def read_state(run: Path) -> State | None:
    """The state of a run; None if it is missing or cannot be read: a power cut may have emptied the file."""
    return read_as(run / STATE, State)


def write_state(run: Path, state: State) -> None:
    write_json(run / STATE, asdict(state))


def read_round(folder: Path) -> RoundEnd | None:
    """The end of the round in `folder`; None if it is not finished or its file cannot be read."""
    end = read_as(folder / ROUND, RoundEnd)
    return end if end and _is_row(end.metrics, METRICS) else None


def write_round(folder: Path, state: State, metrics: Metrics) -> None:
    write_json(folder / ROUND, {"state": asdict(state), "metrics": metrics})


def read_as(path: Path, kind: type[T]) -> T | None:
    """The content of a file of the run. None if it is missing or not JSON.

    `InputError` if it is JSON that this version of vz does not know.
    """
    try:
        body = read_json(path)
    except InputError:
        return None
    try:
        return TypeAdapter(kind).validate_python(body)
    except ValidationError as error:
        raise InputError(
            f"{path}: not as this version of vz writes it ({error.errors()[0]['msg']}); continue the run "
            "with the version that wrote it, or choose another --out"
        ) from error


def read_lines(path: Path) -> list[Metrics]:
    """The rows of a JSONL file; none if it is missing. Leaves out lines that a power cut damaged."""
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        with suppress(InputError):
            row = parse_json(line, path.name, "it is left out")
            if _is_row(row, path.name):
                rows.append(row)
    return rows


def _is_row(row: object, name: str) -> bool:
    """Whether it has the fields that every row of the file `name` has."""
    wanted = ROWS.get(name, {"iteration": int})
    return isinstance(row, dict) and all(isinstance(row.get(key), kind) for key, kind in wanted.items())


def rounds_until(run: Path, last: int) -> list[Metrics]:
    """The metrics of all rounds up to `last`. A kill may have left those of a round that was not finished."""
    return [row for row in read_lines(run / METRICS) if row["iteration"] <= last]


def write_lines(path: Path, rows: Iterable[Metrics]) -> None:
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def record(path: Path, row: Metrics) -> None:
    """Append a round's row to a JSONL file, in place of rows of this or a later round from before a kill."""
    write_lines(path, [*(old for old in read_lines(path) if old["iteration"] < row["iteration"]), row])
