"""Turns a run's folder into a page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment

from stages.core import pages
from stages.core.errors import require
from stages.core.folder.artifact import Report
from stages.core.pages.benchmarks import Table, benchmarks_of, table_of
from stages.core.pages.curves import figure
from stages.core.pages.figures import evaluation_charts, round_charts, time_charts
from stages.core.pages.run_facts import COLUMNS, facts_of, rows_of
from stages.core.pages.run_files import RunFiles, read_run, shapes_are_checked
from stages.report.replay import read_replays

PAGE, COMMAND = "report.html", "vz report"
TEMPLATES = Path(__file__).parent / "template"


def run(run: Path, out: Path | None = None, *, games: int = 3, results: Sequence[Path] = ()) -> Report:
    """Write the page of the run `run` to `out` (default: `report.html` in it), with replays of `games` games.

    `results` are folders of `vz benchmark`, whose tables the page shows. An unchanged run gives the same bytes. Raises
    `InputError` if `run` is not a run, has no finished round or has lost a picture that the page shows, or if another
    program wrote the file at `out`.
    """
    require("vl_convert", "report")
    with shapes_are_checked(run):
        return _page(read_run(run), out, games, [table_of(folder) for folder in results])


def _page(files: RunFiles, out: Path | None, games: int, benchmarks: list[Table]) -> Report:
    path = (out or files.folder / PAGE).resolve()
    pages.refuse_foreign(path, pages.mark_of(COMMAND), "--out")
    replays = read_replays(files, games)
    charts, evaluations = [*round_charts(files), *time_charts(files)], evaluation_charts(files)
    warnings = files.warnings()
    if len(replays) < games:
        reason = "the rollouts or scores of other rounds are gone, or the run played no more"
        warnings.append(f"{files.folder}: the page shows {len(replays)} of {games} games; {reason}")
    values = {
        "name": files.folder.name,
        "facts": facts_of(files),
        "charts": charts,
        "evaluations": evaluations,
        "benchmarks": benchmarks_of(files).with_tables(*benchmarks),
        "columns": list(COLUMNS),
        "rounds": rows_of(files),
        "replays": replays,
        "warnings": warnings,
    }
    text = pages.fill(templates(), "report.html.j2", values, command=COMMAND)
    counts = {
        "rounds": len(files.rounds),
        "curves": len(charts),
        "evaluation_curves": len(evaluations),
        "games": len(replays),
        "bytes": len(text.encode()),
    }
    return Report("report", path, pages.publish(path, text.encode()), counts, warnings, {})


@cache
def templates() -> Environment:
    return pages.environment(TEMPLATES, {"figure": figure, "signed": "{:+.2f}".format})
