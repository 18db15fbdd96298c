"""vz export"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vzcli import options as opt

if TYPE_CHECKING:
    from rich.console import Console

    from stages.core.folder.artifact import Report


def command(
    games: Annotated[Path, typer.Argument(help="The games folder, made by vz make-games.")] = Path("games"),
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = Path("export"),
    to: Annotated[
        Literal["hf-dataset"],
        typer.Option("--to", help="The format. hf-dataset: Parquet with embedded pictures, and a data set card."),
    ] = "hf-dataset",
    license: Annotated[
        str | None,
        typer.Option("--license", help="The license for the card, by its identifier on the hub: cc-by-4.0, mit, …"),
    ] = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Export the pairs of pictures as a data set with a card, ready for the Hugging Face hub."""
    from stages import export as stage

    if dry_run:
        opt.print_plan({"to": to, "license": license}, {"games": games}, out, as_json)
        return
    opt.print_report(stage.run(games, out, license=license, overwrite=overwrite), as_json, _show)


def _show(report: Report, screen: Console) -> None:
    from stages.export.stage import upload_command

    screen.print(opt.facts_table(report.counts))
    screen.print(f"to upload it to the hub: {upload_command(report.out)}", markup=False)
