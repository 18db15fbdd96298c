"""The `outside` section: prompts outside the game, whose answers keep the policy close to the start model."""

from __future__ import annotations

from pydantic import Field

from stages.core.recipe.base import ContentField, Section
from stages.core.recipe.evaluate import Attribute


class Outside(Section):
    """The start model answers these prompts once. Each update adds some of the answers (`train.outside_rows`)."""

    prompts: int = Field(
        256, ge=1, description="Number of prompts on training pictures and without pictures, each answered once."
    )
    questions: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of prompts that are questions about CLEVR scenes, worded by game.prompts. The rest are "
        "texts. All are texts if the games have no scenes.",
    )
    attributes: tuple[Attribute, ...] = Field(
        ("size", "color", "material", "shape"), min_length=1, description="Attributes that these questions may name."
    )
    texts: str | None = ContentField(
        None,
        description="Text file with one prompt per line, used instead of the prompts that come with vz. <image> in a "
        "line stands for a training picture.",
    )
    max_tokens: int = Field(64, ge=1, description="Longest answer in tokens (vz: 64).")
