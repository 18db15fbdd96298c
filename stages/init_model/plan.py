"""The tiny model's shape and how it is taught. All values are our own, found by trial on two CPU cores."""

from __future__ import annotations

from dataclasses import dataclass

THREADS = 1  # of torch while teaching; another number gives other last bits
PAIRS, HELD_OUT = 1500, 256  # pairs of pictures rendered to teach with, and to stop in time and measure with


@dataclass(frozen=True)
class Body:
    """LLaVA, i.e. SigLIP vision and Llama text, with about 0.85 million weights."""

    picture: int = 72  # pixels a side; other pictures are resized to it
    patch: int = 24  # pixels a side of a visual token: a third of 72, one cell of a 3 × 3 scene
    vision_width: int = 96
    vision_layers: int = 2
    text_width: int = 128
    text_layers: int = 3
    head_width: int = 32  # the least of vLLM's kernels
    init_std: float = 0.08  # the usual 0.02 learns slowly in a model this small

    @property
    def visual_tokens(self) -> int:
        """How many tokens a picture becomes."""
        return (self.picture // self.patch) ** 2


@dataclass(frozen=True)
class Lessons:
    """Shares by which scripted games are made up."""

    slips: float = 0.07  # of clues that are drawn at random, most of them untrue
    random_votes: float = 0.3  # of vote labels that are drawn at random: keeps the model unsure
    abstain: float = 0.3  # of N/A labels among games without an untrue clue


@dataclass(frozen=True)
class Course:
    """One part of the teaching: AdamW with a short warm-up and a linear decay."""

    steps: int
    rate: float  # highest learning rate; from 5e-4 to 3e-3 were tried
    last: float = 0.3  # learning rate of the last step, as a share of `rate`


@dataclass(frozen=True)
class Teaching:
    """The four parts of the teaching, in their order, and what they share."""

    body: Body = Body()
    lessons: Lessons = Lessons()
    # Colour and shape of every cell, read off the projector by heads that are thrown away.
    look: Course = Course(steps=800, rate=2e-3, last=0.0)
    # The language model: list what is there, check claims, give clues.
    see: Course = Course(steps=1300, rate=1.5e-3)
    # Votes with true labels (except `lessons.random_votes`), ended early at `stop_at`.
    vote: Course = Course(steps=800, rate=1e-3, last=0.5)
    # The lessons of `see` again, at a falling rate: clues and seeing become as good as before, votes do not. With votes
    # among them, the likeliest vote is at once as good as this model's ever gets.
    settle: Course = Course(steps=80, rate=5e-4, last=0.0)
    batch: int = 32  # lessons a step
    look_weight: float = 1.0  # of the cell heads' loss after `look`
    # `vote` ends when this much probability is on the spy in held-out scripted games: just past the plateau at 0.3,
    # where votes ignore the clues and from which RL does not start. Most of voting is left to RL.
    stop_at: float = 0.36
    measure_every: int = 5  # steps of `vote` between two looks at `stop_at`
    clip: float = 1.0  # largest gradient norm
    weight_decay: float = 0.01  # of AdamW
