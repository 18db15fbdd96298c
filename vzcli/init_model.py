"""vz init-model"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vzcli import options as opt


def command(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The model folder to write (default: tiny-model; with a language model, the recipe's model.path).",
            show_default=False,
        ),
    ] = None,
    language_model: Annotated[
        str | None,
        typer.Option(
            "--language-model",
            "-l",
            help="Give this language model eyes: a folder, a hub name, a GGUF file, or a wheel or installed package "
            "that contains one (recipe: init_model.language_model).",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe", "-r", help="A recipe (default: tiny; smollm2 with --language-model).", show_default=False
        ),
    ] = None,
    overrides: opt.Overrides = None,
    seed: opt.Seed = None,
    overwrite: opt.Overwrite = False,
    as_json: opt.AsJson = False,
    dry_run: opt.DryRun = False,
) -> None:
    """Make a model to start from: the tiny one, or a language model with eyes."""
    from stages import init_model

    given = [] if language_model is None else [f"init_model.language_model={language_model}"]
    loaded = opt.load_recipe(recipe or ("smollm2" if language_model else "tiny"), [*(overrides or []), *given], seed)
    folder = out or Path(loaded.model.path if loaded.init_model.language_model else "tiny-model")
    opt.run_stage(
        lambda: init_model.run(loaded, folder, overwrite=overwrite),
        recipe=loaded,
        sections=("init_model", "game", "games"),
        reads={"language model": loaded.init_model.language_model, "trained": loaded.init_model.trained},
        out=folder,
        as_json=as_json,
        dry_run=dry_run,
    )
