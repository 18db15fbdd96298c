"""What a round sends to trackers, read from the run's own files: figures, tables and a few games."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from stages.core.folder.files import read_json
from stages.core.pages.run_files import Values, flat, read_rows, round_folder
from stages.track.games import Game, read_games

INTERVAL = "_interval"  # `x_interval: [low, high]` beside `x`
ROUND = "round.json"  # in the folder of a finished round
BENCHMARK = "benchmark/benchmark.json"  # there as well, if the round was benchmarked
# The first part of a figure's name: trackers show figures of one part together.
TIMINGS = {"seconds": "seconds", "breakdown": "time of a round", "overhead": "overhead"}


@dataclass(frozen=True)
class Record:
    """A round. Names of figures have two parts, as in `train/loss`; figures that are not finite are left out."""

    number: int  # of the round; 0: before the first
    when: float  # it was finished, in seconds since the epoch
    figures: dict[str, float]
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    games: list[Game] = field(default_factory=list)


def read_record(run: Path, number: int, *, with_games: bool = True) -> Record:
    """What a finished round sends. `InputError` names a file that is missing or broken."""
    figures: dict[str, float] = {}
    metrics, timings = _row(run / "metrics.jsonl", number), _row(run / "timings.jsonl", number)
    evaluation = _row(run / "evaluations.jsonl", number)
    if metrics:
        figures["round/trains clues"] = float(metrics.pop("phase") == "clue")
        figures |= dict(_numbers(metrics, {"train": "train", "baselines": "baselines", "rejected": "rejected rows"}))
        figures |= dict(_numbers(timings, TIMINGS))
    tables = {}
    if evaluation:
        figures |= {f"evaluation/{name}": value for name, value in _finite(evaluation)}
        tables["evaluation"] = evaluation_table(evaluation)
    folder = round_folder(run, number)
    if (folder / BENCHMARK).is_file():
        rows = [flat(row) for row in read_json(folder / BENCHMARK)["tasks"]]
        for row in rows:
            figures |= {f"benchmark/{row['task']}.{name}": value for name, value in _finite(row)}
        tables["benchmark"] = pl.DataFrame([{name: _cell(value) for name, value in row.items()} for row in rows])
    end = folder / ROUND
    when = end.stat().st_mtime if end.is_file() else (run / "recipe.yaml").stat().st_mtime
    return Record(number, when, figures, tables, read_games(run, number) if metrics and with_games else [])


def evaluation_table(row: Values) -> pl.DataFrame:
    """An evaluation as a table: a row for each figure, with the ends of its interval if it has one."""
    rows = []
    for name, value in _finite(row):
        low, high = row.get(f"{name}{INTERVAL}") or (None, None)
        rows.append((name, value, low, high))
    kinds = {"figure": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
    return pl.DataFrame(rows, schema=kinds, orient="row")


def _row(file: Path, number: int) -> Values:
    """The row of a round, with dotted names; empty if there is no such row."""
    rows = read_rows(file, None) if file.is_file() else []
    return next((flat(row) for row in reversed(rows) if row["iteration"] == number), {})


def _numbers(row: Values, parts: dict[str, str]) -> Iterator[tuple[str, float]]:
    for name, value in _finite(row):
        first, _, rest = name.partition(".")
        yield (f"{parts[first]}/{rest}" if rest and first in parts else f"round/{name}"), value


def _finite(row: Values) -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if name != "iteration" and _is_number(value) and math.isfinite(value):
            yield name, float(value)


def _cell(value: Any) -> Any:
    """An interval in words."""
    return " … ".join(f"{end:.3g}" for end in value) if isinstance(value, list) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
