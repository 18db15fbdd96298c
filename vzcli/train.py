"""vz train"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vzcli import options as opt


def command(
    kept: Annotated[Path, typer.Argument(help="The kept folder, made by vz filter.")] = Path("kept"),
    out: Annotated[Path, typer.Option("--out", "-o", help="The checkpoint folder to write.")] = Path("checkpoint"),
    rollouts: Annotated[Path | None, typer.Option("--rollouts", help="The rollouts folder, if you moved it.")] = None,
    games: Annotated[Path | None, typer.Option("--games", help="The games folder, if you moved it.")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="The policy to train (recipe: model.path; with --state: the state's checkpoint)."
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="The reference model of the KL term (recipe: model.path).")
    ] = None,
    outside: Annotated[
        Path | None, typer.Option("--outside", help="Answers to prompts outside the game, made by vz outside.")
    ] = None,
    state: Annotated[Path | None, typer.Option("--state", help="The training state to continue from.")] = None,
    state_out: Annotated[
        Path | None, typer.Option("--state-out", help="Where to write the new training state.")
    ] = None,
    processes: Annotated[int | None, typer.Option("--processes", "-p", help="Training processes, one per GPU.")] = None,
    recipe: opt.RecipeName = "tiny",
    overrides: opt.Overrides = None,
    seed: opt.Seed = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Train the policy on the kept rows and their advantages."""
    from stages import train

    extra = [] if processes is None else [f"train.processes={processes}"]
    loaded = opt.load_recipe(recipe, [*(overrides or []), *extra], seed)
    opt.run_stage(
        lambda: train.run(
            loaded,
            kept,
            out,
            rollouts=rollouts,
            games=games,
            model=model,
            base=base,
            outside=outside,
            state_in=state,
            state_out=state_out,
            overwrite=overwrite,
        ),
        recipe=loaded,
        sections=("model", "train"),
        reads={
            "kept": kept,
            "rollouts": rollouts,
            "games": games,
            "model": model or (None if state else loaded.model.path),
            "outside": outside,
            "state": state,
        },
        out=out,
        as_json=as_json,
        dry_run=dry_run,
        estimate=lambda: train.estimate(loaded, plays=False, place=model),
    )
