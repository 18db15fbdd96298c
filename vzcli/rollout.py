"""vz rollout"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from vzcli import options as opt


def command(
    games: Annotated[Path, typer.Argument(help="The games folder, made by vz make-games.")] = Path("games"),
    out: Annotated[Path, typer.Option("--out", "-o", help="The rollouts folder to write.")] = Path("rollouts"),
    deal: Annotated[
        Path | None, typer.Option("--deal", help="A folder with another deal (games.parquet) on the same pictures.")
    ] = None,
    split: Annotated[
        Literal["train", "dev", "test", "all"], typer.Option("--split", help="The pairs to play.")
    ] = "train",
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="The policy: a folder, hub name or server address (recipe: model.path)."),
    ] = None,
    preflight: Annotated[
        bool,
        typer.Option("--preflight", help="Play only 8 games, keep nothing, and report answer quality, speed and cost."),
    ] = False,
    recipe: opt.RecipeName = "tiny",
    overrides: opt.Overrides = None,
    seed: opt.Seed = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Play the games and save every answer."""
    from stages import rollout
    from stages.core.recipe.load import place_of

    loaded = opt.load_recipe(recipe, overrides, seed, deal or games)
    played = None if split == "all" else split
    models = {"current": place_of(model)} if model else None
    if preflight and not dry_run:
        found = rollout.preflight.run_temporarily(loaded, games, deal=deal or games, split=played, models=models)
        opt.print_preflight(found, loaded, as_json)
        return
    opt.run_stage(
        lambda: rollout.run(loaded, games, out, deal=deal, split=played, models=models, overwrite=overwrite),
        recipe=loaded,
        sections=("model", "game", "rollout"),
        reads={"games": games, "deal": deal, "model": model or loaded.model.path},
        out=out,
        as_json=as_json,
        dry_run=dry_run,
    )
