"""vz filter"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vzcli import options as opt


def command(
    scored: Annotated[Path, typer.Argument(help="The scored folder, made by vz score.")] = Path("scored"),
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = Path("kept"),
    phase: opt.Phase = "both",
    rollouts: Annotated[Path | None, typer.Option("--rollouts", help="The rollouts folder, if you moved it.")] = None,
    recipe: opt.RecipeName = "tiny",
    overrides: opt.Overrides = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Choose the rows to train on, and list the others with the reason."""
    from stages import filter as stage

    loaded = opt.load_recipe(recipe, overrides, None)
    opt.run_stage(
        lambda: stage.run(loaded, scored, out, phase=phase, rollouts=rollouts, overwrite=overwrite),
        recipe=loaded,
        sections=("filter",),
        reads={"scored": scored},
        out=out,
        as_json=as_json,
        dry_run=dry_run,
    )
