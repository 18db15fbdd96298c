"""Benchmarks on pages: a run's newest table, its charts over rounds, and tables that the user names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from stages.core.errors import InputError
from stages.core.pages.curves import Chart, Curve, Point
from stages.core.pages.figures import clue_phases
from stages.core.pages.results import BENCHMARK_COLUMNS, Results, benchmark_rows, read_results
from stages.core.pages.run_files import RunFiles, Values

UNIT = "difference × 100"
FOLDER = "benchmark"  # in a round's folder


@dataclass(frozen=True)
class Table:
    """A benchmark's table, with a note for the reader."""

    name: str
    note: str
    rows: list[list[str]]

    @classmethod
    def of(cls, name: str, figures: Values) -> Self:
        return cls(name, figures.get("note", ""), benchmark_rows(figures))


@dataclass(frozen=True)
class Benchmarks:
    """The content of a page's benchmark section. Without tables, the page leaves it out."""

    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    columns: tuple[str, ...] = BENCHMARK_COLUMNS

    def with_tables(self, *tables: Table) -> Benchmarks:
        return replace(self, tables=(*self.tables, *tables))


def table_of(folder: Path) -> Table:
    """The table in an output of vz benchmark. `InputError` for any other folder."""
    found = read_results(folder)
    if found.stage != "benchmark":
        raise InputError(f"{folder}: is an output of '{found.stage}'; the page shows results of vz benchmark")
    return Table.of(folder.resolve().name, found.figures)


def benchmarks_of(run: RunFiles) -> Benchmarks:
    """The benchmarks of a run's finished rounds (`evaluate.benchmarks`)."""
    measured = {
        number: found
        for number in range(run.x_range[1] + 1)
        if (found := round_benchmark(run.round_folder(number))) is not None
    }
    if not measured:
        return Benchmarks()
    newest = max(measured)
    table = Table.of(f"After round {newest}" if newest else "Before round 1", measured[newest].figures)
    return Benchmarks((table,), tuple(_charts(run, {number: found.figures for number, found in measured.items()})))


def round_benchmark(round: Path) -> Results | None:
    """What a run measured after the round with this folder."""
    return read_results(round / FOLDER) if (round / FOLDER).is_dir() else None


def _charts(run: RunFiles, measured: dict[int, Values]) -> Iterator[Chart]:
    """Each task's difference by round; none until there are two measurements."""
    points: dict[str, dict[int, Point]] = {}
    for number, figures in measured.items():
        for row in figures["tasks"]:
            low, high = row["difference_interval"]
            points.setdefault(row["task"], {})[number] = 100 * row["difference"], 100 * low, 100 * high
    x_range, phases = (min(measured), run.x_range[1]), clue_phases(run.rounds)
    for task, found in points.items() if len(measured) > 1 else ():
        yield Chart(task, UNIT, [Curve("difference", found)], x_range, {}, (0.0, "as the base"), phases)
