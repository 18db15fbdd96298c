"""vz report"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vzcli import options as opt


def command(
    run: Annotated[Path, typer.Argument(help="The folder of a run of vz iterate, finished or still going on.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The page to write (default: report.html in the run's folder).")
    ] = None,
    games: Annotated[
        int,
        typer.Option(
            "--games",
            "-g",
            min=0,
            help="How many games to replay, from the first round to the last; 0 needs no pictures.",
        ),
    ] = 3,
    as_json: opt.AsJson = False,
) -> None:
    """Write a run as one HTML page: its curves, its rounds, and a few of its games turn by turn."""
    from stages import report

    opt.print_report(report.run(run, out, games=games), as_json)
