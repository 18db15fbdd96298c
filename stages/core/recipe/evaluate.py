"""The `evaluate` section: how a policy is judged on held-out pictures."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.core.recipe.base import ContentField, RuntimeField, Section

Attribute = Literal["size", "color", "material", "shape"]


class Evaluate(Section):
    """Games against an opponent, votes on fixed transcripts, and questions that are no part of the game."""

    every: int = RuntimeField(
        0,
        ge=0,
        description="Rounds of a run between evaluations, the first before round 1; 0: none.",
    )
    games: int = Field(
        100, ge=2, multiple_of=2, description="Games, half of them with the roles mirrored (paper's Figure 6: 50 + 50)."
    )
    transcripts: int = Field(
        100, ge=0, description="Games whose clues the opponent gave in all seats, on which votes are compared; 0: none."
    )
    questions: int = Field(200, ge=0, description="Transfer questions on CLEVR pictures; 0: none.")
    question_attributes: tuple[Attribute, ...] = Field(
        ("size", "color", "material", "shape"), min_length=1, description="What transfer questions may name."
    )
    split: Literal["dev", "test", "train"] = Field("test", description="Pairs that are played and asked about.")
    opponent: str = ContentField("base", description="The opponent: base, a model folder or a hub name.")
