"""vz outside"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vzcli import options as opt


def command(
    games: Annotated[Path, typer.Argument(help="The games folder, made by vz make-games.")] = Path("games"),
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = Path("outside"),
    model: Annotated[str | None, typer.Option("--model", "-m", help="The start model (recipe: model.path).")] = None,
    recipe: opt.RecipeName = "tiny",
    overrides: opt.Overrides = None,
    seed: opt.Seed = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Collect the start model's answers to prompts outside the game. Training can keep the policy close to them."""
    from stages import outside
    from stages.outside.prompts import texts_of

    loaded = opt.load_recipe(recipe, overrides, seed, games)
    opt.run_stage(
        lambda: outside.run(loaded, games, out, model=model, overwrite=overwrite),
        recipe=loaded,
        sections=("model", "rollout", "outside"),
        reads={"games": games, "model": model or loaded.model.path, "texts": texts_of(loaded)},
        out=out,
        as_json=as_json,
        dry_run=dry_run,
    )
