"""What init-model builds and how it teaches: the tiny model, and eyes for a pretrained language model.

All values are our own, found by trial on two CPU cores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TRAINED, STATE = "trained", "teaching.pt"  # in a model's folder: what teaching changed, and an unfinished teaching
THREADS = 1  # of torch while teaching; another number gives other last bits


@dataclass(frozen=True)
class Eyes:
    """A SigLIP vision tower, of which every visual token shows one cell of a 3 × 3 scene."""

    picture: int = 72  # pixels a side; other pictures are resized to it
    patch: int = 24  # pixels a side of a visual token: a third of 72
    vision_width: int = 96
    vision_layers: int = 2
    head_width: int = 32  # the least of vLLM's kernels

    @property
    def visual_tokens(self) -> int:
        """How many tokens a picture becomes."""
        return (self.picture // self.patch) ** 2


@dataclass(frozen=True)
class Body(Eyes):
    """The tiny model: LLaVA, i.e. SigLIP vision and Llama text, with about 0.85 million weights."""

    text_width: int = 128
    text_layers: int = 3
    init_std: float = 0.08  # the usual 0.02 learns slowly in a model this small


@dataclass(frozen=True)
class Adapter:
    """LoRA on every matrix of a pretrained language model, whose own weights stay as they are."""

    rank: int = 8
    alpha: int = 16
    eyes_rate: float = 0.3  # rate of tower and connector beside it, as a share of the adapter's


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
    mix: Mapping[str, float] = field(default_factory=dict)  # shares of the kinds of lessons


@dataclass(frozen=True)
class Teaching:
    """The parts of the teaching, in their order, and what they share. The defaults make the tiny model."""

    body: Eyes = Body()
    lessons: Lessons = Lessons()
    pairs: int = 1500  # pairs of pictures rendered to teach with
    held_out: int = 256  # others, to stop in time and to measure with
    examined: int = 256  # of these, to stop in time with
    attributes: tuple[str, ...] = ("color", "shape")  # of a cell's thing, that `look` teaches
    # Attributes of every cell, read off the projector by heads that are thrown away.
    look: Course = Course(steps=800, rate=2e-3, last=0.0)
    # The language model says what is there, checks claims and gives clues. Every mix has lessons in seeing, so that the
    # model does not forget how to see.
    see: Course = Course(steps=1300, rate=1.5e-3, mix={"list": 0.2, "check": 0.4, "ask": 0.15, "clue": 0.25})
    # Votes with true labels (except `lessons.random_votes`), ended early at `stop_at`, if it is given.
    vote: Course = Course(
        steps=800, rate=1e-3, last=0.5, mix={"list": 0.05, "check": 0.2, "ask": 0.1, "clue": 0.25, "vote": 0.4}
    )
    # The lessons of `see` again, at a falling rate: clues and seeing become as good as before, votes do not. With votes
    # among them, the likeliest vote is at once as good as this model's ever gets.
    settle: Course = Course(steps=80, rate=5e-4, last=0.0, mix={"list": 0.2, "check": 0.4, "ask": 0.15, "clue": 0.25})
    batch: int = 32  # lessons a step
    look_batch: int = 64  # pictures a step of `look`
    pieces: int = 1  # parts of a batch by length, one after another: less padding
    look_weight: float = 1.0  # of the cell heads' loss after `look`
    jitter: float = 0.0  # how much `look` varies the pictures' contrast, as a share; half of it their brightness
    # `vote` ends when this much probability is on the spy in held-out scripted games: just past the plateau at 0.3,
    # where votes ignore the clues and from which RL does not start. Most of voting is left to RL.
    stop_at: float | None = 0.36
    measure_every: int = 5  # steps of `vote` between two looks at `stop_at`
    clip: float = 1.0  # largest gradient norm
    weight_decay: float = 0.01  # of AdamW
    answer_tokens: int = 12  # longest answer when the model is measured; one of the tiny model's game has five
    at_once: int = 4096  # answers that are sampled at once when the model is measured
    adapter: Adapter | None = None  # None: all weights learn
    plain_weight: float = 0.0  # of the distance (KL) from the untouched language model on texts of its own
    plain_texts: int = 0  # such texts a step


TINY = Teaching()

ENGLISH = Teaching(
    body=Eyes(picture=96, patch=32, vision_width=192, vision_layers=4),
    lessons=Lessons(slips=0.05, random_votes=0.35, abstain=1.0),
    pairs=1200,
    held_out=64,
    examined=32,
    attributes=("color", "shape", "material"),
    # Long enough for held-out cells to be named right: the other lessons build on it, and a step costs little.
    look=Course(steps=1200, rate=1.5e-3, last=0.0),
    see=Course(
        steps=140,
        rate=8e-4,
        last=0.88,
        mix={"list": 0.26, "where": 0.06, "check": 0.36, "ask": 0.14, "question": 0.1, "clue": 0.08},
    ),
    vote=Course(
        steps=80,
        rate=7e-4,
        last=0.5,
        mix={"list": 0.08, "check": 0.14, "ask": 0.1, "question": 0.06, "clue": 0.22, "vote": 0.4},
    ),
    # Mostly votes, at a falling rate.
    settle=Course(
        steps=40,
        rate=4e-4,
        last=0.0,
        mix={"list": 0.1, "check": 0.06, "ask": 0.06, "question": 0.04, "clue": 0.14, "vote": 0.6},
    ),
    batch=16,
    look_batch=64,
    pieces=4,
    jitter=0.1,
    stop_at=None,  # what is left to learn is in the random votes
    weight_decay=0.0,
    answer_tokens=160,
    at_once=64,
    adapter=Adapter(rank=16, alpha=32),
    plain_weight=0.3,
    plain_texts=1,
)
