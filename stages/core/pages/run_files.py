"""What a run's folder says about the whole run: its rounds, recipe and state."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polars.exceptions import PolarsError

from stages.core.errors import InputError, first_line
from stages.core.folder import artifact
from stages.core.folder.files import read_json
from stages.core.yaml_text import read_yaml

Values = dict[str, Any]

WITHOUT_MANIFEST = "state.json, metrics.jsonl, timings.jsonl or evaluations.jsonl"
REMEDY = "restore the file from a copy, or delete it and repeat the run's vz iterate command"


def round_folder(run: Path, number: int) -> Path:
    """The folder for a round's output."""
    return run / f"round-{number:04d}"


@dataclass(frozen=True)
class RunFiles:
    """A run with at least one finished round. Nested values have dotted names: `game.players`, `train.kl`.

    `rounds` are the rows of metrics.jsonl, one per finished round. `timings` are the rows of timings.jsonl, some or all
    of which may be missing. `evaluations` also have an `iteration`, which is 0 for the base model.
    """

    folder: Path
    base: str  # hash of the base model
    recipe: Values
    state: Values
    rounds: list[Values]
    timings: list[Values]
    evaluations: list[Values]

    @property
    def x_range(self) -> tuple[int, int]:
        """The first and the last round."""
        return self.rounds[0]["iteration"], self.rounds[-1]["iteration"]

    def round_folder(self, number: int) -> Path:
        return round_folder(self.folder, number)

    def warnings(self) -> list[str]:
        """The rounds' warnings, and the values that no curve can show."""
        found = [f"round {row['iteration']}: {text}" for row in self.rounds for text in row.get("warnings", [])]
        return found + [
            f"round {row['iteration']}: {name} is {value}; its curve has a gap there"
            for row in [*self.rounds, *self.evaluations]
            for name, value in row.items()
            if isinstance(value, float) and not math.isfinite(value)
        ]


def read_run(folder: Path) -> RunFiles:
    """Read a run of `vz iterate`, finished or still running. `InputError` if it has no finished round."""
    folder = folder.resolve()
    try:
        manifest = artifact.manifest_of(folder, "iterate")
    except InputError as error:
        raise InputError(f"{error}; give the folder of a vz iterate run") from error
    state = read_json(folder / "state.json") if (folder / "state.json").is_file() else {}
    finished = state.get("iteration")
    if not finished:
        raise InputError(f"{folder}: this run has no finished round yet; continue it with the same vz iterate command")
    recipe, rounds = read_yaml(folder / "recipe.yaml"), read_rows(folder / "metrics.jsonl", finished)
    if not rounds:
        raise InputError(f"{folder / 'metrics.jsonl'}: has no row of a finished round; restore the file")
    # Older versions wrote evaluations into the rounds' rows.
    evaluations = [{"iteration": row["iteration"], **row.pop("evaluation")} for row in rounds if row.get("evaluation")]
    if (folder / "evaluations.jsonl").is_file():
        evaluations += read_rows(folder / "evaluations.jsonl", finished)
    timings = read_rows(folder / "timings.jsonl", finished) if (folder / "timings.jsonl").is_file() else []
    base = str(manifest["inputs"]["base"])
    rows = ([*map(flat, found)] for found in (rounds, timings, evaluations))
    return RunFiles(folder, base, flat(recipe), flat(state), *rows)


@contextmanager
def shapes_are_checked(run: Path) -> Iterator[None]:
    """`InputError` for unexpected types of values in run files that no manifest describes."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, PolarsError) as error:
        problem = f"{type(error).__name__}: {first_line(error)}"
        raise InputError(
            f"{run}: {WITHOUT_MANIFEST} contains values that vz does not write ({problem}); {REMEDY}"
        ) from error


def flat(body: Values, prefix: str = "") -> Values:
    """Nested objects as one, with dotted names."""
    found: Values = {}
    for key, value in body.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def read_rows(path: Path, finished: int | None) -> list[Values]:
    """The rows of a run's JSON lines up to a round (None: all), in order. Of two rows for a round, the later counts.

    A kill may leave one row beyond the last finished round; it will be written again.
    """
    rows = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; the curves need it: restore the file") from error
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            rows.append({**row, "iteration": int(row["iteration"])})
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise InputError(f"{path}: line {number} is not a round's row ({error}); repair or delete it") from error
    by_round = {row["iteration"]: row for row in rows if finished is None or row["iteration"] <= finished}
    return [by_round[number] for number in sorted(by_round)]
