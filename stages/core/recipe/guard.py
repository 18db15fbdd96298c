"""The `iterate.guard` section: a fixed set of held-out questions that shows which skills self-play costs."""

from __future__ import annotations

from pydantic import Field

from stages.core.recipe.base import Section


class Guard(Section):
    """Questions outside the game about CLEVR pictures of split dev, worded by game.prompts."""

    every: int = Field(0, ge=0, description="Rounds between runs of the guard set, the first at the start; 0: none.")
    questions: int = Field(
        300, ge=1, description="Number of questions; outside.attributes says which attributes they name."
    )
