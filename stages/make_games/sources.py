"""Where pairs come from: drawn scenes, given scenes, or ready pictures. Bad input is found here, first."""

from __future__ import annotations

from pathlib import Path

from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.make_games.clevr import drawn, given
from stages.make_games.pair import Plan
from stages.make_games.ready import folder as ready_folder


def plan(recipe: Recipe, scenes: Path | None, folder: Path | None) -> Plan:
    """The pairs to make, in order. `InputError` names what is off with the recipe or the input."""
    if scenes is not None and folder is not None:
        raise InputError("give either scenes or a folder of ready pairs, not both")
    if folder is not None:
        return ready_folder.plan(recipe, folder)
    if recipe.games.domain not in (None, "clevr"):
        raise InputError(
            f"games.domain is '{recipe.games.domain}', but only clevr can be drawn; give ready pairs with --from-folder"
        )
    return drawn.plan(recipe) if scenes is None else given.plan(recipe, scenes)
