"""vz report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vzcli import options as opt


def command(
    run: Annotated[
        Path, typer.Argument(help="The run's folder, made by vz iterate. The run may still be in progress.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The page to write (default: report.html in the run's folder).")
    ] = None,
    games: Annotated[
        int,
        typer.Option(
            "--games",
            "-g",
            min=0,
            help="Number of games to replay, spread over the rounds. With 0, no pictures are needed.",
        ),
    ] = 3,
    results: Annotated[
        list[Path] | None,
        typer.Option(
            "--results", help="Output of vz benchmark to show on the page. May be repeated.", show_default=False
        ),
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Write a run as one HTML page: curves, rounds, and a few games turn by turn."""
    from stages import report

    opt.print_report(report.run(run, out, games=games, results=results or ()), as_json)
