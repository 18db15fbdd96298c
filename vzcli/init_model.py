"""vz init-model"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vzcli import options as opt


def command(
    out: Annotated[Path, typer.Option("--out", "-o", help="The model folder to write.")] = Path("tiny-model"),
    recipe: opt.RecipeName = "tiny",
    overrides: opt.Overrides = None,
    seed: opt.Seed = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Build the tiny model and train it, supervised, for a few minutes."""
    from stages import init_model

    loaded = opt.load_recipe(recipe, overrides, seed)
    opt.run_stage(
        lambda: init_model.run(loaded, out, overwrite=overwrite),
        recipe=loaded,
        sections=("init_model", "game", "games"),
        reads={},
        out=out,
        as_json=as_json,
        dry_run=dry_run,
    )
