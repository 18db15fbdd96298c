"""vz evaluate"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vzcli import options as opt


def command(
    games: Annotated[Path, typer.Argument(help="A folder of vz make-games.")] = Path("games"),
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = Path("evaluation"),
    model: Annotated[str | None, typer.Option("--model", "-m", help="The policy that is judged (model.path).")] = None,
    opponent: Annotated[
        str | None, typer.Option("--opponent", help="Whom it meets (recipe: evaluate.opponent).")
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="Pairs to play: test, dev or train.")] = None,
    number: Annotated[int | None, typer.Option("--number", "-n", help="Games in all (evaluate.games).")] = None,
    recipe: opt.RecipeName = "tiny",
    overrides: opt.Overrides = None,
    seed: opt.Seed = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Win rate against another policy on held-out games, with the roles both ways round."""
    from stages import evaluate

    extra = {"evaluate.split": split, "evaluate.games": number}
    given = [f"{key}={value}" for key, value in extra.items() if value is not None]
    loaded = opt.load_recipe(recipe, [*(overrides or []), *given], seed)
    opt.run_stage(
        lambda: evaluate.run(loaded, games, out, model=model, opponent=opponent, overwrite=overwrite),
        recipe=loaded,
        sections=("model", "game", "rollout", "evaluate"),
        reads={"games": games, "model": model or loaded.model.path, "opponent": opponent or loaded.evaluate.opponent},
        out=out,
        as_json=as_json,
        dry_run=dry_run,
    )
