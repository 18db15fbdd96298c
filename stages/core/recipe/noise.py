"""The `games.noise` section: pairs that are spoilt on purpose."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from stages.core.recipe.base import Section


class Noise(Section):
    """Shares of all pairs, whatever their source, whose modified picture is replaced. Drawn from the pair's seed."""

    blank: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of pairs, on average, whose modified picture is replaced by an empty white one of its size "
        "(the paper's noise test on photos: 0.1).",
    )
    identical: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of pairs, on average, whose modified picture is replaced by the original itself "
        "(the paper's noise test on photos: 0.1).",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.blank + self.identical > 1:
            raise ValueError(f"blank {self.blank} and identical {self.identical} are shares; together at most 1")
        return self
