"""Results of `vz evaluate` and `vz benchmark` for pages and cards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stages.core.errors import InputError
from stages.core.folder.artifact import manifest_of
from stages.core.folder.files import read_json
from stages.core.pages.run_files import Values, flat

RESULTS = {"evaluate": "evaluation.json", "benchmark": "benchmark.json"}  # by the stage that writes it
BENCHMARK_COLUMNS = (
    "task",
    "metric",
    "questions",
    "base",
    "this model",
    "difference",
    "95 % interval",
    "better / worse",
)


NOTHING_SHOWN = "no difference shown"  # the interval includes no difference
AGAINST = {  # an evaluation's figures, and their values for equal policies
    "arena.win_rate": ("games against the opponent", 0.5),
    "decision.change.sampled": ("votes on the same transcripts", 0.0),
    "transfer.change": ("questions outside the game", 0.0),
}


@dataclass(frozen=True)
class Results:
    """The figures in a folder that `stage` wrote."""

    stage: str
    figures: Values
    settings: Values


def read_results(folder: Path) -> Results:
    """The figures of an evaluation or benchmark. `InputError` for any other folder."""
    manifest = manifest_of(folder)
    stage = manifest["stage"]
    if stage not in RESULTS:
        raise InputError(f"{folder}: is an output of '{stage}', but results of vz evaluate or vz benchmark are needed")
    return Results(stage, read_json(folder / RESULTS[stage]), manifest.get("settings", {}))


def benchmark_rows(figures: Values) -> list[list[str]]:
    """The rows of a benchmark's table, by BENCHMARK_COLUMNS. Scores are × 100."""
    return [
        [
            row["task"],
            row["metric"],
            f"{row['samples']:,}",
            f"{100 * row['base']:.1f}",
            f"{100 * row['model']:.1f}",
            _signed(row["difference"]),
            " … ".join(map(_signed, row["difference_interval"])),
            f"{row['wins']} / {row['losses']}",
        ]
        for row in figures["tasks"]
    ]


def benchmark_verdict(figures: Values) -> str:
    """The tasks on which the model is better or worse than its base, in words."""
    found: dict[str, list[str]] = {}
    for row in figures["tasks"]:
        gains = row["wins"] >= row["losses"]  # for some metrics, less is better
        low, high = row["difference_interval"]
        shown = NOTHING_SHOWN if low <= 0 <= high else "better" if gains else "worse"
        found.setdefault(shown, []).append(row["task"])
    return "; ".join(f"{shown}: {', '.join(tasks)}" for shown, tasks in sorted(found.items()))


def evaluation_verdict(figures: Values) -> str:
    """Where a policy is better or worse than its opponent, in words."""
    found, values = [], flat(figures)
    for name, (meaning, even) in AGAINST.items():
        if (interval := values.get(f"{name}_interval")) is not None:
            low, high = interval
            found.append(f"{meaning}: {'better' if low > even else 'worse' if high < even else NOTHING_SHOWN}")
    return "; ".join(found)


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}"
