"""A run as a whole: its progress, and its rounds, with charts that are drawn once per finished round."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from stages.core import tables
from stages.core.errors import InputError
from stages.core.folder.files import read_json
from stages.core.folder.locking import is_being_written
from stages.core.pages.benchmarks import Benchmarks, benchmarks_of
from stages.core.pages.curves import Chart
from stages.core.pages.figures import evaluation_charts, round_charts, time_charts
from stages.core.pages.run_facts import facts_of, rows_of
from stages.core.pages.run_files import RunFiles, read_run, round_folder
from stages.core.yaml_text import read_yaml

FILES = ("state.json", "metrics.jsonl", "timings.jsonl", "evaluations.jsonl", "recipe.yaml")
# What a round makes, in this order, and what the run is doing while it is missing.
STEPS = {"rollouts": "playing", "scored": "scoring", "kept": "choosing the rows that train", "round.json": "training"}
RECENT = 5  # the last rounds, whose mean time is the estimate for the next ones

Stamp = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Standing:
    """A run's progress: `finished` of `rounds` rounds, and what it is doing, in words."""

    finished: int
    rounds: int
    text: str


@dataclass(frozen=True)
class Overview:
    """What a run's page shows of its finished rounds. Without finished rounds, only `problem` is set."""

    problem: str = ""
    files: RunFiles | None = None
    charts: tuple[Chart, ...] = ()
    evaluations: tuple[Chart, ...] = ()
    benchmarks: Benchmarks = field(default_factory=Benchmarks)

    def values(self) -> dict[str, Any]:
        """The template's variables."""
        files = self.files
        return {
            "problem": self.problem,
            "facts": facts_of(files) if files else {},
            "rounds": rows_of(files) if files else [],
            "warnings": files.warnings() if files else [],
            "charts": self.charts,
            "evaluations": self.evaluations,
        }


def stamp_of(run: Path) -> Stamp:
    """Changes whenever a round ends, since that replaces files."""
    return tuple(_stamp(run / name) for name in FILES)


def _stamp(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0)
    return found.st_mtime_ns, found.st_ino


def overview_of(run: Path, stamp: Stamp) -> Overview:
    """The run at `stamp`, or why vz cannot show it."""
    if not finished_rounds(run):
        return Overview("No round is finished yet. This page fills up when the first one ends.")
    try:
        return _drawn(run, stamp)
    except InputError as error:
        return Overview(str(error))


@lru_cache(maxsize=4)
def _drawn(run: Path, stamp: Stamp) -> Overview:
    files = read_run(run)
    charts = (*round_charts(files), *time_charts(files))
    return Overview("", files, charts, tuple(evaluation_charts(files)), benchmarks_of(files))


def finished_rounds(run: Path) -> int:
    """The number of the last finished round; 0 before the first."""
    try:
        return int(read_json(run / "state.json")["iteration"])
    except (InputError, KeyError, TypeError, ValueError):
        return 0


def standing_of(run: Path) -> Standing:
    """The run's progress, from the folders that a round makes one after another."""
    finished, rounds = finished_rounds(run), _rounds_of(run)
    if finished >= rounds > 0:
        return Standing(finished, rounds, f"All {rounds} rounds are finished.")
    folder = round_folder(run, finished + 1)
    step, doing = next(((name, what) for name, what in STEPS.items() if not (folder / name).exists()), ("", "ending"))
    if step == "rollouts":
        doing += _games_so_far(folder)
    of = f" of {rounds}" if rounds else ""
    text = f"Round {finished + 1}{of}: {doing}."
    written = is_being_written(run)
    if written is None:
        text = f"{text} No process on this machine writes the run: it was killed, or runs on another machine."
    elif not written:
        text = f"The run stopped in round {finished + 1}{of}. The same vz iterate command continues it."
    return Standing(finished, rounds, text + (_time_left(run, rounds - finished) if written is not False else ""))


def _rounds_of(run: Path) -> int:
    try:
        return int(read_yaml(run / "recipe.yaml")["iterate"]["rounds"])
    except (InputError, KeyError, TypeError, ValueError):
        return 0


def _games_so_far(folder: Path) -> str:
    """How many games of the round are saved. The journal receives a few at a time."""
    try:
        dealt = len(tables.read(folder / "games" / "games.parquet", tables.GAMES, ["game_id"]))
        journal = (folder / ".rollouts.partial" / "journal").glob("[!.]*.parquet")
        played = sum(tables.read(file, tables.ROLLOUTS, ["game_id"])["game_id"].n_unique() for file in journal)
    except InputError:  # the folder is being replaced right now
        return ""
    return f", {played:,} of {dealt:,} games are saved"


def _time_left(run: Path, rounds: int) -> str:
    files = overview_of(run, stamp_of(run)).files
    took = [row["breakdown.total"] for row in files.timings if row.get("breakdown.total")] if files else []
    if not took or rounds <= 0:
        return ""
    seconds = rounds * sum(took[-RECENT:]) / len(took[-RECENT:])
    return f" About {_duration(seconds)} left, judging by the last rounds."


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{round(seconds)} s" if seconds < 90 else f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def last_change(run: Path) -> str:
    """The time at which the last round ended, by this machine's clock."""
    changed = _stamp(run / "state.json")[0]
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(changed / 1e9)) if changed else ""


@dataclass(frozen=True)
class Comparison:
    """Two runs compared: their facts, the settings that differ, and the charts of both on the same axes."""

    facts: list[tuple[str, str, str]]
    settings: list[tuple[str, Any, Any]]
    charts: list[Chart]
    benchmarks: Benchmarks


@lru_cache(maxsize=2)
def comparison_of(runs: tuple[Path, Path], names: tuple[str, str], stamps: tuple[Stamp, Stamp]) -> Comparison:
    """Compares two runs, labelled by `names`."""
    one, two = (overview_of(run, stamp) for run, stamp in zip(runs, stamps, strict=True))
    facts = [facts_of(each.files) if each.files else {} for each in (one, two)]
    recipes = [each.files.recipe if each.files else {} for each in (one, two)]
    return Comparison(
        [(key, facts[0].get(key, "–"), facts[1].get(key, "–")) for key in {**facts[0], **facts[1]}],
        [
            (key, recipes[0].get(key), recipes[1].get(key))
            for key in {**recipes[0], **recipes[1]}
            if recipes[0].get(key) != recipes[1].get(key)
        ],
        _side_by_side(_all_charts(one), _all_charts(two), names),
        Benchmarks().with_tables(
            *(
                replace(table, name=f"{name}: {table.name}")
                for each, name in zip((one, two), names, strict=True)
                for table in each.benchmarks.tables
            )
        ),
    )


def _all_charts(run: Overview) -> tuple[Chart, ...]:
    return (*run.charts, *run.evaluations, *run.benchmarks.charts)


def _side_by_side(one: tuple[Chart, ...], two: tuple[Chart, ...], names: tuple[str, str]) -> list[Chart]:
    """The charts of both runs in turn, those with the same title on the same axes. A missing chart is empty."""
    found = [{chart.title: chart for chart in charts} for charts in (one, two)]
    shown = []
    for title in {**found[0], **found[1]}:
        there = [charts[title] for charts in found if title in charts]
        x_range = min(chart.x_range[0] for chart in there), max(chart.x_range[1] for chart in there)
        scale = _common_scale(there)
        for charts, name in zip(found, names, strict=True):
            chart = charts.get(title) or replace(there[0], curves=(), reference=None, clue_phases=())
            unit = f"{chart.unit} · {name}" if chart.unit else name
            shown.append(replace(chart, unit=unit, x_range=x_range, y_scale=scale))
    return shown


def _common_scale(charts: list[Chart]) -> dict[str, Any]:
    scale = charts[0].y_scale
    values = [
        part
        for chart in charts
        for curve in chart.curves
        for point in curve.points.values()
        for part in point
        if part is not None
    ]
    values += [chart.reference[0] for chart in charts if chart.reference] + [0.0] * bool(scale.get("zero"))
    return scale if "domain" in scale or not values or min(values) == max(values) else {
        **scale, "domain": [min(values), max(values)]
    }  # fmt: skip
