"""What is known about a checkpoint's history: the recipe, data and curves of its run, and its evaluations."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.core.folder.artifact import MANIFEST, manifest_of
from stages.core.folder.files import read_json
from stages.core.pages.benchmarks import round_benchmark
from stages.core.pages.results import Results
from stages.core.pages.run_files import Values, flat, read_rows
from stages.core.yaml_text import read_yaml

CURVES = {
    "acc": "games in which the spy is found",
    "na": "share of N/A votes",
    "vote_accuracy": "share of votes for the spy",
    "reward_decision": "mean reward of votes",
    "train.kl": "KL to the base",
    "train.entropy": "entropy, nats per token",
}
BARS = "▁▂▃▄▅▆▇█"
MOST_BARS = 40


@dataclass(frozen=True)
class Curve:
    """A figure over the rounds: its course as block characters, and its first and last value."""

    meaning: str
    bars: str
    first: float
    last: float


@dataclass(frozen=True)
class History:
    """The run, or the single training, that made a checkpoint."""

    settings: Values
    rounds: list[Values] = field(default_factory=list)
    evaluations: list[Values] = field(default_factory=list)
    updates: int | None = None
    data: Values | None = None  # the counts and settings of the games
    benchmark: Results | None = None  # that the run measured for this checkpoint

    @property
    def curves(self) -> list[Curve]:
        """The figures that every finished round has."""
        return [curve for name, meaning in CURVES.items() if (curve := _curve(name, meaning, self.rounds))]


def read_history(checkpoint: Path) -> History | None:
    """The history of a checkpoint: of the run around it if there is one; None for a model that vz did not make."""
    for folder in list(checkpoint.resolve().parents)[:2]:
        if (folder / MANIFEST).is_file() and read_json(folder / MANIFEST).get("stage") == "iterate":
            return _of_run(folder, checkpoint)
    if not (checkpoint / MANIFEST).is_file():
        return None
    manifest = manifest_of(checkpoint)
    updates = manifest.get("counts", {}).get("run_updates")
    return History(manifest.get("settings", {}), updates=updates) if manifest["stage"] == "train" else None


def _of_run(run: Path, checkpoint: Path) -> History:
    made = manifest_of(checkpoint) if (checkpoint / MANIFEST).is_file() else {}
    last = _round_of(checkpoint)  # the run may have gone on since
    rounds, evaluations = (_rows(run / name, last) for name in ("metrics.jsonl", "evaluations.jsonl"))
    games = run / "games"
    data = manifest_of(games) if (games / MANIFEST).is_file() else None
    updates, benchmark = made.get("counts", {}).get("run_updates"), round_benchmark(checkpoint.resolve().parent)
    return History(read_yaml(run / "recipe.yaml"), rounds, evaluations, updates, data, benchmark)


def _round_of(checkpoint: Path) -> int | None:
    name = checkpoint.resolve().parent.name
    return int(name.removeprefix("round-")) if name.startswith("round-") and name[6:].isdigit() else None


def _rows(path: Path, last: int | None) -> list[Values]:
    return [*map(flat, read_rows(path, last))] if path.is_file() else []


def _curve(name: str, meaning: str, rounds: list[Values]) -> Curve | None:
    values = [float(row[name]) for row in rounds if _is_number(row.get(name))]
    if len(values) < 2:
        return None
    size = -(-len(values) // MOST_BARS)
    means = [sum(part) / len(part) for part in (values[at : at + size] for at in range(0, len(values), size))]
    low, high = min(means), max(means)
    span = (high - low) or 1.0
    bars = "".join(BARS[round((value - low) / span * (len(BARS) - 1))] for value in means)
    return Curve(meaning, bars, values[0], values[-1])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and value == value
