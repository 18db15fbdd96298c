"""The `evaluate` section: how to evaluate a policy on held-out pictures."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from stages.core.recipe.base import ContentField, RuntimeField, Section

Attribute = Literal["size", "color", "material", "shape"]


class Evaluate(Section):
    """Games against an opponent, votes on the same transcripts, how true clues are, and questions outside the game."""

    every: int = RuntimeField(
        0, ge=0, description="Rounds of a run between evaluations, the first before round 1; 0: none."
    )
    benchmarks: tuple[str, ...] = RuntimeField(
        (),
        description="Suites and tasks of vz benchmark that a run asks of its base and its checkpoint whenever it is "
        "evaluated, for example [quick]. Needs the extra benchmark; the section benchmark has the other settings.",
    )
    benchmark_questions: int | None = RuntimeField(
        100, ge=1, description="Questions of each of these tasks, from its first on; null: all."
    )
    games: int = Field(
        100,
        ge=2,
        multiple_of=2,
        description="Games, half of them with the roles exchanged (paper's Figure 6: 50 + 50).",
    )
    transcripts: int = Field(
        100, ge=0, description="Games that the opponent plays with itself, on whose clues both policies vote; 0: none."
    )
    questions: int = Field(200, ge=0, description="Transfer questions on CLEVR pictures; 0: none.")
    question_attributes: tuple[Attribute, ...] = Field(
        ("size", "color", "material", "shape"), min_length=1, description="What transfer questions may name."
    )
    judge: str | None = ContentField(
        None,
        description="Model that also judges clues, from a description of the picture: base, a model folder, a hub name "
        "or a served model (https://host/v1#name); null: none, since it costs a completion for each clue and picture.",
    )
    judge_tokens: int = Field(
        512, ge=1, description="Longest answer of the judge, tokens. Our choice: room for some steps of thought."
    )
    split: Literal["dev", "test", "train"] = Field("test", description="Pairs to play and to ask about.")
    opponent: str = ContentField(
        "base", description="Whom the policy meets: base, a model folder, a hub name or a served model."
    )

    @model_validator(mode="after")
    def _benchmarks_have_their_rounds(self) -> Self:
        if self.benchmarks and self.every == 0:
            raise ValueError(
                "benchmarks are asked when a run is evaluated, but every is 0: set evaluate.every, or use vz benchmark"
            )
        return self
