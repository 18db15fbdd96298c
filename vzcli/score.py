"""vz score"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vzcli import options as opt


def command(
    rollouts: Annotated[Path, typer.Argument(help="The rollouts folder, made by vz rollout.")] = Path("rollouts"),
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = Path("scored"),
    phase: opt.Phase = "both",
    baselines: Annotated[
        Path | None,
        typer.Option("--baselines", help="The baselines.json of the previous round. Without it, baselines start at 0."),
    ] = None,
    recipe: opt.RecipeName = "tiny",
    overrides: opt.Overrides = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Compute rewards and advantages from the votes."""
    from stages import score

    loaded = opt.load_recipe(recipe, overrides, None)
    opt.run_stage(
        lambda: score.run(loaded, rollouts, out, phase=phase, baselines=baselines, overwrite=overwrite),
        recipe=loaded,
        sections=("score",),
        reads={"rollouts": rollouts, "baselines": baselines},
        out=out,
        as_json=as_json,
        dry_run=dry_run,
    )
