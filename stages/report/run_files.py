"""What a run's folder says about the run as a whole: its rounds, its recipe, its state."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.files import read_json

Metrics = dict[str, Any]


@dataclass(frozen=True)
class RunFiles:
    """A run with at least one finished round.

    `rounds` are the rows of metrics.jsonl, one a finished round; `evaluations` are `{"iteration", "evaluation"}`, where
    round 0 is the policy that the run started from.
    """

    folder: Path
    base: str  # hash of the model that it started from
    recipe: dict[str, Any]
    state: dict[str, Any]
    rounds: list[Metrics]
    evaluations: list[Metrics]

    def setting(self, name: str) -> Any:
        """A value of the recipe by its dotted name; None where a run of another version of vz has none."""
        return at_path(self.recipe, name)

    def round_folder(self, number: int) -> Path:
        return self.folder / f"round-{number:04d}"

    def warnings(self) -> list[str]:
        """What the rounds warned of, and figures that no curve can show."""
        said = [f"round {row['iteration']}: {text}" for row in self.rounds for text in row.get("warnings", [])]
        for row in [*self.rounds, *self.evaluations]:
            off = [f"{name} is {value}" for name, value in _leaves(row) if not math.isfinite(value)]
            said += [f"round {row['iteration']}: {what}, a gap in its curve" for what in off]
        return said


def read_run(folder: Path) -> RunFiles:
    """Read a run of `vz iterate`, also one that is still going on. `InputError` if it is none or has no round yet."""
    folder = folder.resolve()
    try:
        manifest = artifact.manifest_of(folder, "iterate")
    except InputError as error:
        raise InputError(f"{error}; give the folder of a run of vz iterate") from error
    state = read_json(folder / "state.json") if (folder / "state.json").is_file() else {}
    if not state.get("iteration"):
        raise InputError(f"{folder}: no round of this run is finished yet; go on with the same vz iterate command")
    recipe, rounds = _read_recipe(folder / "recipe.yaml"), _read_rows(folder / "metrics.jsonl", state["iteration"])
    if not rounds:
        raise InputError(f"{folder / 'metrics.jsonl'}: holds no row of a finished round; put the file back")
    evaluations = _evaluations(folder / "evaluations.jsonl", rounds, state["iteration"])
    return RunFiles(folder, str(manifest["inputs"]["base"]), recipe, state, rounds, evaluations)


def _evaluations(path: Path, rounds: list[Metrics], finished: int) -> list[Metrics]:
    """Those that stand in a file of their own, and those that stand in the rows of the rounds."""
    found = {row["iteration"]: row.pop("evaluation") for row in rounds if row.get("evaluation")}
    if path.is_file():
        found |= {row.pop("iteration"): row for row in _read_rows(path, finished)}
    return [{"iteration": number, "evaluation": figures} for number, figures in sorted(found.items())]


def _read_rows(path: Path, finished: int) -> list[Metrics]:
    """Up to the last finished round: a kill may leave the row of one more, which will be written again."""
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; it is read for the curves: put the file back") from error
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
            rows[-1]["iteration"] = int(rows[-1]["iteration"])
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}: line {number} is no row of a round ({error}); mend or drop it") from error
    return sorted((row for row in rows if row["iteration"] <= finished), key=lambda row: int(row["iteration"]))


def _read_recipe(path: Path) -> dict[str, Any]:
    """The recipe as plain data, so that a run of another version of vz is shown as well."""
    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable ({' '.join(str(error).split())}); put the run's recipe back") from error
    return body if isinstance(body, dict) else {}


def at_path(body: object, path: str) -> Any:
    """What stands at `a.b` in nested objects; None if nothing does."""
    for part in path.split("."):
        body = body.get(part) if isinstance(body, dict) else None
    return body


def _leaves(body: object, prefix: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(body, dict):
        for key, value in body.items():
            yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(body, float):
        yield prefix, body
