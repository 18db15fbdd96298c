"""Where a run stands: the state after its last round, and the state and metrics of every round."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from stages.core.errors import InputError, first_line
from stages.core.folder.files import read_json, write_json, write_text
from stages.iterate.opponents import Record
from stages.iterate.schedule import Schedule

Metrics = dict[str, Any]
STATE = "state.json"
METRICS = "metrics.jsonl"  # a row for each round
ROUND = "round.json"  # in a finished round's folder: the state after it, and its metrics


@dataclass(frozen=True)
class State:
    """What the next round needs to know of those before, besides their `scored/baselines.json`."""

    iteration: int  # last finished round; 0 before the first
    schedule: Schedule
    checkpoint: str | None = None  # of the current policy, relative to the run; None: the base model
    training_state: str | None = None  # relative to the run; None: training has not begun
    updates: int = 0  # optimizer steps so far
    baselines: dict[str, float] = field(default_factory=lambda: {"spy": 0.0, "civilian": 0.0})
    switched: str | None = None  # the checkpoint at the last change of phase; None: the base model
    best: dict[str, Any] | None = None  # {"iteration", "vote_accuracy"} of the best policy that has played
    opponents: dict[str, Record] = field(default_factory=dict)  # the pool, and how often its members were beaten


def read_state(run: Path) -> State | None:
    """The state of a run that has begun; None for one that has not."""
    path = run / STATE
    return _state(read_json(path), path) if path.is_file() else None


def write_state(run: Path, state: State) -> None:
    write_json(run / STATE, asdict(state))


def round_files(run: Path) -> list[Path]:
    """The files with the state and metrics of each finished round, in order."""
    return sorted(run.glob(f"round-*/{ROUND}"))


def read_round(path: Path) -> tuple[State, Metrics]:
    """The state after a round, and its metrics."""
    body = read_json(path)
    if not isinstance(body, dict) or not isinstance(body.get("metrics"), dict):
        raise InputError(f"{path}: not the end of a round that this version of vz can read")
    return _state(body.get("state"), path), body["metrics"]


def write_round(folder: Path, state: State, metrics: Metrics) -> None:
    write_json(folder / ROUND, {"state": asdict(state), "metrics": metrics})


def _state(body: Any, path: Path) -> State:
    try:
        return TypeAdapter(State).validate_python(body)
    except ValidationError as error:
        raise InputError(f"{path}: not a state that this version of vz can read ({first_line(error)})") from error


def read_lines(path: Path) -> list[Metrics]:
    """The rows of a JSONL file, none if there is no file. Lines that a power cut spoilt are left out."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    rows = []
    for line in lines:
        try:
            rows.append(dict(json.loads(line)))
        except (ValueError, TypeError):
            continue
    return [row for row in rows if "iteration" in row]


def write_lines(path: Path, rows: Iterable[Metrics]) -> None:
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def record(path: Path, row: Metrics) -> None:
    """Append a round's row to a JSONL file, in place of rows of this or a later round from before a kill."""
    write_lines(path, [*(old for old in read_lines(path) if old["iteration"] < row["iteration"]), row])
