"""vz benchmark"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vzcli import options as opt

if TYPE_CHECKING:
    from rich.console import Console

    from stages.core.folder.artifact import Report


def command(
    model: Annotated[
        str, typer.Argument(help="A checkpoint, a run, a hub name, or the address of a server.", metavar="MODEL")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = Path("benchmark"),
    base: Annotated[
        str | None,
        typer.Option("--base", help="The model to compare with (default: the one that MODEL was trained from)."),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            "--suite",
            help="A suite (paper, reasoning, charts, vision, quick) or an lmms-eval task (recipe: benchmark.suite). "
            "May be repeated.",
            show_default=False,
        ),
    ] = None,
    tasks_folder: Annotated[
        Path | None,
        typer.Option(
            "--tasks-folder", help="A folder of your own tasks in lmms-eval's format (recipe: benchmark.tasks_folder)."
        ),
    ] = None,
    number: Annotated[
        int | None, typer.Option("--number", "-n", help="Ask only the first N questions of each task (default: all).")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="The folder that keeps answers (default: ~/.cache/vz/benchmark).")
    ] = None,
    recipe: opt.RecipeName = "tiny",
    overrides: opt.Overrides = None,
    seed: opt.Seed = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Run published benchmarks with lmms-eval. Compares a model with its base on the same questions."""
    from stages import benchmark

    given = list(overrides or [])
    given += [f"benchmark.suite=[{', '.join(suite)}]"] if suite else []
    given += [f"benchmark.tasks_folder={tasks_folder}"] if tasks_folder is not None else []
    given += [f"benchmark.questions={number}"] if number is not None else []
    loaded = opt.load_recipe(recipe, given, seed)
    opt.run_stage(
        lambda: benchmark.run(loaded, out, model=model, base=base, cache=cache, overwrite=overwrite),
        recipe=loaded,
        sections=("model", "rollout", "benchmark"),
        reads={"model": model, "base": base, "tasks folder": tasks_folder},
        out=out,
        as_json=as_json,
        dry_run=dry_run,
        show=_show,
    )


def _show(report: Report, screen: Console) -> None:
    """Print a line for each task. Scores are × 100."""
    from rich.table import Table

    from stages.core.pages.results import BENCHMARK_COLUMNS, benchmark_rows, benchmark_verdict

    table = Table(*BENCHMARK_COLUMNS, box=None, padding=(0, 2))
    for row in benchmark_rows(report.counts):
        table.add_row(*row)
    screen.print(table)
    screen.print(benchmark_verdict(report.counts))
    if report.counts["note"]:
        screen.print(report.counts["note"])
