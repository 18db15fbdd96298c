"""vz recipe list | show | check"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stages.core.printing.terminal import put
from vzcli import completion
from vzcli import options as opt

app = typer.Typer(help="List, show and check recipes.", no_args_is_help=True)


@app.command("list")
def list_recipes() -> None:
    """List the recipes that come with vz, and what each is for."""
    from stages.core.recipe import known_recipes

    for name, path in known_recipes().items():
        put(f"{name:20} {_purpose(path)}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A recipe's name or file.", autocompletion=completion.recipes)] = "tiny",
    overrides: opt.Overrides = None,
    describe: Annotated[
        bool, typer.Option("--describe", help="Explain each field: its meaning, unit and source.")
    ] = False,
) -> None:
    """Show a recipe as YAML, with every value resolved."""
    from stages.core.recipe import dump

    recipe = opt.load_recipe(name, overrides, None)
    put("\n".join(recipe.described()) if describe else dump(recipe).rstrip("\n"))


@app.command()
def check(
    names: Annotated[
        list[str], typer.Argument(help="Recipes to check: names or files.", autocompletion=completion.recipes)
    ],
    overrides: opt.Overrides = None,
) -> None:
    """Check recipes. Stops at the first error with exit code 2."""
    for name in names:
        opt.load_recipe(name, overrides, None)
        put(f"{name}: valid")


def _purpose(path: Path) -> str:
    """The first comment line of a recipe that is not a command."""
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.lstrip("# ").strip()
        if line.startswith("#") and text and not text.startswith("vz "):
            return text
    return ""
