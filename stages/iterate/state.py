"""Where a run stands: `state.json`, which moves forward only by atomic replacement at the end of a round."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.folder.files import read_json, write_json, write_text
from stages.iterate.opponents import Record
from stages.iterate.schedule import Schedule

Metrics = dict[str, Any]
METRICS = "metrics.jsonl"  # a row a round
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
    best: dict[str, float] | None = None  # {"iteration", "vote_accuracy"} of the best policy that has played
    opponents: dict[str, Record] = field(default_factory=dict)  # the pool, and how often its members were beaten

    def after(self, **changes: Any) -> State:
        return replace(self, **changes)


def read_state(run: Path) -> State | None:
    """The state of a run that has begun; None for one that has not."""
    path = run / "state.json"
    return _state_of(read_json(path), path) if path.is_file() else None


def write_state(run: Path, state: State) -> None:
    write_json(run / "state.json", asdict(state))


def rounds_of(run: Path) -> list[Path]:
    """The files in which finished rounds keep their state and metrics, in order."""
    return sorted(run.glob(f"round-*/{ROUND}"))


def read_round(path: Path) -> tuple[State, Metrics]:
    """The state after a round, and its metrics."""
    body = read_json(path)
    try:
        return _state_of(body["state"], path), dict(body["metrics"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not the end of a round that this version of vz can read ({error})") from error


def write_round(folder: Path, state: State, metrics: Metrics) -> None:
    write_json(folder / ROUND, {"state": asdict(state), "metrics": metrics})


def _state_of(body: Any, path: Path) -> State:
    try:
        pool = {name: Record(**counted) for name, counted in body.get("opponents", {}).items()}
        return State(**{**body, "schedule": Schedule(**body["schedule"]), "opponents": pool})
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a state that this version of vz can read ({error})") from error


def read_lines(path: Path) -> list[Metrics]:
    """The rows of a JSONL file; none if it does not exist. Lines that are no rows are passed over."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            rows.append(dict(json.loads(line)))
        except (ValueError, TypeError):
            continue
    return [row for row in rows if "iteration" in row]


def write_lines(path: Path, rows: Iterable[Metrics]) -> None:
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def record(path: Path, row: Metrics) -> None:
    """Put a round's row at the end of a JSONL file, once: a row of that round or later from before a kill goes."""
    write_lines(path, [*(old for old in read_lines(path) if old["iteration"] < row["iteration"]), row])
