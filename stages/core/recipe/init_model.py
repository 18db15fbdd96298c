"""The `init_model` section: the tiny model that `vz init-model` builds, and its short supervised start."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from stages.core.recipe.base import NO_BYTE, Section


class Body(Section):
    """The tiny model's shape: LLaVA, i.e. SigLIP vision and Llama text. About 0.85 million weights by default."""

    picture: int = Field(72, ge=24, description="Side of a picture in pixels; other pictures are resized to it.")
    patch: int = Field(24, ge=8, description="Side of a visual token in pixels; 24 of 72 = the cells of a 3 × 3 scene.")
    vision_width: int = Field(96, ge=32, description="Width of the vision tower; a multiple of head_width.")
    vision_layers: int = Field(2, ge=1, description="Layers of the vision tower.")
    text_width: int = Field(128, ge=32, description="Width of the language model; a multiple of head_width.")
    text_layers: int = Field(3, ge=1, description="Layers of the language model.")
    head_width: int = Field(32, ge=16, description="Width of an attention head; 32 is the least of vLLM's kernels.")
    init_std: float = Field(0.08, gt=0, description="Spread of random weights; the usual .02 learns slowly this small.")

    @property
    def visual_tokens(self) -> int:
        """How many tokens a picture becomes."""
        return (self.picture // self.patch) ** 2

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.picture % self.patch:
            raise ValueError("init_model.body.picture must be a multiple of patch")
        if self.vision_width % self.head_width or self.text_width % self.head_width:
            raise ValueError("init_model.body widths must be multiples of head_width")
        return self


class Lessons(Section):
    """How scripted games are made up for the supervised start."""

    slips: float = Field(0.07, ge=0, le=1, description="Share of scripted clues drawn at random, mostly untrue.")
    random_votes: float = Field(0.3, ge=0, le=1, description="Share of vote labels drawn at random: keeps it unsure.")
    abstain: float = Field(0.3, ge=0, le=1, description="Share of N/A labels among games without an untrue clue.")


class Course(Section):
    """One part of the teaching: AdamW with a short warm-up and a linear decay."""

    steps: int = Field(ge=0, description="Optimizer steps; the part `vote` mostly ends sooner, at init_model.stop_at.")
    rate: float = Field(gt=0, description="Highest learning rate (vz: tried from 5e-4 to 3e-3).")
    last: float = Field(0.3, ge=0, le=1, description="Learning rate of the last step as a share of `rate`.")


class InitModel(Section):
    """Building and teaching the tiny model. All defaults are vz's own, found by trial on two CPU cores."""

    body: Body = Field(default_factory=Body, description="Shape of the network.")
    pairs: int = Field(1500, ge=4, description="Pairs of pictures rendered for teaching; 1,500 = 3,000 pictures.")
    held_out: int = Field(256, ge=4, description="Further pairs, for stopping in time and for measuring.")
    processes: int = Field(2, ge=1, json_schema_extra=NO_BYTE, description="Processes that render. Changes no byte.")
    threads: int = Field(1, ge=1, description="Threads of torch while teaching; other numbers give other last bits.")
    lessons: Lessons = Field(default_factory=Lessons, description="Scripted games.")
    batch: int = Field(32, ge=1, description="Lessons a step.")
    look: Course = Field(
        Course(steps=800, rate=2e-3, last=0.0),
        description="First: colour and shape of every cell, read off the projector by heads that are thrown away.",
    )
    see: Course = Field(
        Course(steps=1300, rate=1.5e-3),
        description="Then the language model: list what is there, check claims, give clues.",
    )
    vote: Course = Field(
        Course(steps=800, rate=1e-3, last=0.5),
        description="Then votes with true labels (but for lessons.random_votes), ended early: see `stop_at`.",
    )
    settle: Course = Field(
        Course(steps=80, rate=5e-4, last=0.0),
        description="After `vote`, the lessons of `see` at a falling rate: clues and seeing as good as before, votes "
        "not. (With votes among them the likeliest vote is at once as good as this model's ever gets.)",
    )
    look_weight: float = Field(1.0, ge=0, description="Weight of the cell heads' loss after `look`.")
    stop_at: float = Field(
        0.36,
        gt=0,
        le=1,
        description="`vote` ends when this much probability is on the spy in held-out scripted games: just past the "
        "plateau at 0.3 where votes look at no clue, and from which RL does not start; most of voting is left to RL.",
    )
    measure_every: int = Field(5, ge=1, description="Steps of `vote` between looks at `stop_at`.")
    clip: float = Field(1.0, gt=0, description="Largest gradient norm.")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's weight decay.")
