"""What a recipe's model needs here: the checks that playing and training make, one finding each."""

from __future__ import annotations

from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of
from stages.core.vlm.needs import Check, Place, checks
from stages.doctor.finding import Finding


def examine_model(recipe: Recipe) -> list[Finding]:
    """A finding for each thing that playing and training the recipe's model needs."""
    try:
        place = place_of(recipe.model.path)
    except InputError as error:
        return [Finding("fail", "model", str(error), "correct model.path")]
    return [_finding(name, check, recipe, place) for name, check in checks(recipe, place, trains=True).items()]


def _finding(name: str, check: Check, recipe: Recipe, place: Place) -> Finding:
    try:
        return Finding("ok", name, check(recipe, place))
    except InputError as error:
        found, _, remedy = str(error).rpartition("; ")
        return Finding("fail", name, found or remedy, remedy if found else "")
