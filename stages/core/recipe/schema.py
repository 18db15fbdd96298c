"""The whole recipe, and what must agree between its sections."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from stages.core.recipe.base import LAST_BITS, Section
from stages.core.recipe.evaluate import Evaluate
from stages.core.recipe.game import Game
from stages.core.recipe.games import Games
from stages.core.recipe.init_model import InitModel
from stages.core.recipe.iterate import Iterate
from stages.core.recipe.model import Model
from stages.core.recipe.opponents import check_opponents
from stages.core.recipe.rollout import Rollout
from stages.core.recipe.scoring import Filter, Score
from stages.core.recipe.train import Train


class Recipe(Section):
    """A run, section by section; a stage reads its own sections only."""

    seed: int = Field(0, ge=0, description="Seed of everything drawn: scenes, deals, completions, training.")
    deterministic: bool = Field(
        False, description="Batch requests in request order: same machine and threads, same bytes, also after kills."
    )
    threads: int | None = Field(
        None, ge=1, json_schema_extra=LAST_BITS, description="CPU threads of torch; null for torch's own choice."
    )
    model: Model = Field(default_factory=Model, description="The policy.")
    game: Game = Field(default_factory=Game, description="The rules.")
    games: Games = Field(default_factory=Games, description="The pairs of pictures.")
    rollout: Rollout = Field(default_factory=Rollout, description="Playing.")
    score: Score = Field(default_factory=Score, description="Rewards and advantages.")
    filter: Filter = Field(default_factory=Filter, description="What trains.")
    train: Train = Field(default_factory=Train, description="The optimisation.")
    iterate: Iterate = Field(default_factory=Iterate, description="The rounds.")
    evaluate: Evaluate = Field(default_factory=Evaluate, description="Held-out games.")
    init_model: InitModel = Field(default_factory=InitModel, description="The tiny start model.")

    @model_validator(mode="after")
    def _opponents_can_play(self) -> Self:
        check_opponents(self.iterate.opponents, self.rollout, full_weights=self.model.lora is None)
        return self

    def settings(self, *sections: str) -> dict[str, Any]:
        """The named sections, the seed and determinism as plain data, without what decides no result: see `base`.

        What is left out may change between a kill and going on.
        """
        body = self.identity(deterministic=self.deterministic)
        return {key: body[key] for key in sorted(body) if key in {"seed", "deterministic", "threads", *sections}}

    def shown(self, *sections: str) -> dict[str, Any]:
        """The named sections and what stands above them, whole."""
        return self.model_dump(mode="json", by_alias=True, include={"seed", "deterministic", "threads", *sections})
