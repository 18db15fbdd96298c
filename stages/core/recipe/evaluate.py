"""The `evaluate` section: how to evaluate a policy on held-out pictures."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from stages.core.recipe.base import ContentField, RuntimeField, Section

Attribute = Literal["size", "color", "material", "shape"]


class Evaluate(Section):
    """Games against an opponent, votes on the same transcripts, the truth of clues, and questions outside the game."""

    every: int = RuntimeField(
        0, ge=0, description="Rounds between evaluations of a run, the first before round 1; 0: none."
    )
    benchmarks: tuple[str, ...] = RuntimeField(
        (),
        description="Suites and tasks of vz benchmark that the run's base and checkpoint answer at each evaluation, "
        "for example [quick]. Needs the extra benchmark; section benchmark has the other settings.",
    )
    benchmark_questions: int | None = RuntimeField(
        100, ge=1, description="Number of questions per task, starting with the first; null: all."
    )
    games: int = Field(
        100,
        ge=2,
        multiple_of=2,
        description="Number of games, half of them with roles swapped (paper's Figure 6: 50 + 50).",
    )
    transcripts: int = Field(
        100,
        ge=0,
        description="Number of games that the opponent plays against itself, and on whose clues both "
        "policies vote; 0: none.",
    )
    questions: int = Field(200, ge=0, description="Number of transfer questions on CLEVR pictures; 0: none.")
    question_attributes: tuple[Attribute, ...] = Field(
        ("size", "color", "material", "shape"), min_length=1, description="Attributes that transfer questions may name."
    )
    judge: str | None = ContentField(
        None,
        description="Model that also judges clues, from a description of the picture: base, a model folder, a hub "
        "name or a served model (https://host/v1#name). It costs a completion for each clue and picture; null: none.",
    )
    judge_tokens: int = Field(
        512, ge=1, description="Longest answer of the judge, in tokens. Our choice: room for a few steps of reasoning."
    )
    split: Literal["dev", "test", "train"] = Field("test", description="Split whose pairs are played and asked about.")
    opponent: str = ContentField(
        "base", description="The policy's opponent: base, a model folder, a hub name or a served model."
    )

    @model_validator(mode="after")
    def _benchmarks_have_their_rounds(self) -> Self:
        if self.benchmarks and self.every == 0:
            raise ValueError(
                "benchmarks run at each evaluation, but every is 0: set evaluate.every, or use vz benchmark"
            )
        return self
