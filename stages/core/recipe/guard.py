"""The `iterate.guard` section: a fixed set of held-out questions that shows what self-play costs."""

from __future__ import annotations

from pydantic import Field

from stages.core.recipe.base import Section


class Guard(Section):
    """Questions about CLEVR pictures of the split dev, outside the game, in the words of game.prompts."""

    every: int = Field(
        0, ge=0, description="Rounds from one answering of the guard set to the next, the first at the start; 0: none."
    )
    questions: int = Field(300, ge=1, description="Number of questions; outside.attributes says what they name.")
