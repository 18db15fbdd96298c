"""The `iterate.opponents` section: earlier checkpoints of the run as opponents of the current policy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.core.recipe.base import Section
from stages.core.recipe.rollout import Rollout, Seats


class Opponents(Section):
    """Opponents of the current policy, as in fictitious self-play. Only the current policy's rows train."""

    share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of a round's games in which an opponent plays one side: the spy in half of them, the "
        "civilians in the rest. At least one game is self-play. 0: only self-play (paper).",
    )
    weighting: Literal["latest", "uniform", "prioritised"] = Field(
        "uniform",
        description="How opponents are drawn from the pool. latest: the newest member. uniform: each with equal "
        "probability (fictitious self-play). prioritised: by (1 − w)^power, where w is the current policy's win rate "
        "against a member (PFSP's f_hard, AlphaStar).",
    )
    size: int = Field(
        4,
        ge=1,
        description="Number of checkpoints in the pool, besides the base model; a new one replaces the "
        "oldest. Each stays on disk.",
    )
    every: int = Field(10, ge=1, description="Rounds between checkpoints that join the pool.")
    at_once: int = Field(
        1,
        ge=1,
        description="Number of opponents drawn per round, possibly with repeats; each needs memory while it plays.",
    )


def check_opponents(recipe: Opponents, rollout: Rollout, *, full_weights: bool) -> None:
    """`ValueError` if the opponents have no seat, or the engine cannot load them."""
    if recipe.share == 0:
        return
    if rollout.seats != Seats():
        raise ValueError(
            "iterate.opponents.share is above 0, so rollout.seats must be current in every role: "
            "leave rollout.seats out, or set iterate.opponents.share=0"
        )
    needed = 1 + recipe.at_once
    if rollout.engine == "vllm" and full_weights and rollout.vllm.weights_at_once < needed:
        raise ValueError(
            f"rollout.vllm.weights_at_once is {rollout.vllm.weights_at_once}, but the full weights of the policy and "
            f"of iterate.opponents.at_once={recipe.at_once} play at once: set rollout.vllm.weights_at_once={needed}, "
            "or train an adapter (model.lora)"
        )
