"""What a run's folder says about the run as a whole: its rounds, its recipe, its state."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.files import read_json

Values = dict[str, Any]


@dataclass(frozen=True)
class RunFiles:
    """A run with at least one finished round. Nested values have dotted names: `game.players`, `train.kl`.

    `rounds` are the rows of metrics.jsonl, one per finished round. `timings` are those of timings.jsonl, of which some
    or all may be missing. `evaluations` have an `iteration` as well, which is 0 for the base model.
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
        return self.folder / f"round-{number:04d}"

    def warnings(self) -> list[str]:
        """The warnings of the rounds, and the values that no curve can show."""
        found = [f"round {row['iteration']}: {text}" for row in self.rounds for text in row.get("warnings", [])]
        return found + [
            f"round {row['iteration']}: {name} is {value}; its curve has a gap there"
            for row in [*self.rounds, *self.evaluations]
            for name, value in row.items()
            if isinstance(value, float) and not math.isfinite(value)
        ]


def read_run(folder: Path) -> RunFiles:
    """Read a run of `vz iterate`, finished or still going on. `InputError` if it has no finished round."""
    folder = folder.resolve()
    try:
        manifest = artifact.manifest_of(folder, "iterate")
    except InputError as error:
        raise InputError(f"{error}; give the folder of a run of vz iterate") from error
    state = read_json(folder / "state.json") if (folder / "state.json").is_file() else {}
    finished = state.get("iteration")
    if not finished:
        raise InputError(f"{folder}: this run has no finished round yet; continue it with the same vz iterate command")
    recipe, rounds = read_recipe(folder / "recipe.yaml"), read_rows(folder / "metrics.jsonl", finished)
    if not rounds:
        raise InputError(f"{folder / 'metrics.jsonl'}: holds no row of a finished round; restore the file")
    # Older versions wrote evaluations into the rows of the rounds.
    evaluations = [{"iteration": row["iteration"], **row.pop("evaluation")} for row in rounds if row.get("evaluation")]
    if (folder / "evaluations.jsonl").is_file():
        evaluations += read_rows(folder / "evaluations.jsonl", finished)
    timings = read_rows(folder / "timings.jsonl", finished) if (folder / "timings.jsonl").is_file() else []
    base = str(manifest["inputs"]["base"])
    rows = ([*map(flat, found)] for found in (rounds, timings, evaluations))
    return RunFiles(folder, base, flat(recipe), flat(state), *rows)


def flat(body: Values, prefix: str = "") -> Values:
    """Nested objects as one, with dotted names."""
    found: Values = {}
    for key, value in body.items():
        found |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def read_rows(path: Path, finished: int | None) -> list[Values]:
    """The rows of a run's JSON lines up to a round (None: all), by round.

    Beyond the last finished round a kill may leave the row of one more, which will be written again.
    """
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; the curves need it: restore the file") from error
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            rows.append({**row, "iteration": int(row["iteration"])})
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}: line {number} is not a round's row ({error}); repair or delete it") from error
    return sorted(
        (row for row in rows if finished is None or row["iteration"] <= finished), key=lambda row: int(row["iteration"])
    )


def read_recipe(path: Path) -> Values:
    """The recipe as plain data, so that runs of other versions of vz can be shown."""
    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable ({' '.join(str(error).split())}); restore the run's recipe") from error
    return body if isinstance(body, dict) else {}
