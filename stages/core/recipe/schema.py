"""The whole recipe, and what must agree between its sections."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from stages.core.recipe.alarms import check_alarms
from stages.core.recipe.base import ContentField, NumericField, RuntimeField, Section
from stages.core.recipe.benchmark import Benchmark
from stages.core.recipe.evaluate import Evaluate
from stages.core.recipe.game import Game
from stages.core.recipe.games import Games
from stages.core.recipe.iterate import Iterate
from stages.core.recipe.model import Model
from stages.core.recipe.opponents import check_opponents
from stages.core.recipe.outside import Outside
from stages.core.recipe.rollout import Rollout
from stages.core.recipe.scoring import Filter, Score
from stages.core.recipe.train import Train

Tracker = Literal["wandb", "trackio", "tensorboard", "mlflow"]


class InitModel(Section):
    """Building a start model. Its architecture and training are fixed: stages/init_model/plan.py."""

    language_model: str | None = ContentField(
        None,
        description="A pretrained language model to give eyes to: a folder, a hub name, a GGUF file, or a wheel or "
        "installed package that contains one. null: the tiny model, made from scratch.",
    )
    trained: str | None = ContentField(
        None,
        description="Eyes already trained for this language model: a folder, or the name of a set that comes with vz. "
        "null: train them now.",
    )
    processes: int = RuntimeField(2, ge=1, description="Number of rendering processes (vz: 2, as measured).")


class Recipe(Section):
    """A run, section by section. A stage reads only its own sections."""

    seed: int = Field(0, ge=0, description="Seed of all random draws: scenes, deals, completions, training.")
    deterministic: bool = Field(
        False,
        description="Batch requests in a fixed order, so that the same machine with the same number of threads "
        "produces the same bytes, even after kills. CPU only.",
    )
    track: tuple[Tracker, ...] = RuntimeField(
        (),
        description="Where vz iterate logs its rounds, in addition to the run's folder: wandb, trackio, tensorboard, "
        "mlflow. A failing tracker never stops a run; vz sends the missing rounds after a later round.",
    )
    threads: int | None = NumericField(None, ge=1, description="Number of CPU threads for torch. null: torch decides.")
    model: Model = Field(default_factory=Model, description="The policy.")
    game: Game = Field(default_factory=Game, description="The rules of the game.")
    games: Games = Field(default_factory=Games, description="The pairs of pictures.")
    rollout: Rollout = Field(default_factory=Rollout, description="How games are played.")
    score: Score = Field(default_factory=Score, description="Rewards and advantages.")
    filter: Filter = Field(default_factory=Filter, description="Which rows train.")
    train: Train = Field(default_factory=Train, description="The optimisation.")
    outside: Outside = Field(default_factory=Outside, description="Prompts outside the game.")
    iterate: Iterate = Field(default_factory=Iterate, description="The rounds of a run.")
    evaluate: Evaluate = Field(default_factory=Evaluate, description="Evaluation on held-out pairs.")
    benchmark: Benchmark = Field(default_factory=Benchmark, description="Published benchmarks.")
    init_model: InitModel = Field(default_factory=InitModel, description="The start model.")

    @model_validator(mode="after")
    def _opponents_can_play(self) -> Self:
        check_opponents(self.iterate.opponents, self.rollout, full_weights=self.model.lora is None)
        return self

    @model_validator(mode="after")
    def _alarms_can_adapt(self) -> Self:
        check_alarms(self)
        return self

    @model_validator(mode="after")
    def _has_enough_outside(self) -> Self:
        if self.train.outside_rows > self.outside.prompts:
            raise ValueError(
                f"train.outside_rows is {self.train.outside_rows}, but outside.prompts is only {self.outside.prompts}: "
                "raise outside.prompts"
            )
        return self

    @model_validator(mode="after")
    def _quantizes_where_it_plays(self) -> Self:
        if self.model.quantization != "none" and self.rollout.engine == "vllm":
            raise ValueError(
                "model.quantization: vLLM cannot quantize the way training does, so games and training would differ; "
                "set rollout.engine=transformers or model.quantization=none"
            )
        return self

    def settings(self, *sections: str) -> dict[str, Any]:
        """The values that a result depends on in these sections and in the top-level fields, as plain data."""
        body = self.identity(deterministic=self.deterministic)
        return {key: body[key] for key in sorted(body) if key in {"seed", "deterministic", "threads", *sections}}

    def shown(self, *sections: str) -> dict[str, Any]:
        """All values of these sections and the top-level fields."""
        return self.model_dump(mode="json", by_alias=True, include={"seed", "deterministic", "threads", *sections})
