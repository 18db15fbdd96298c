"""What one call of the stage asks a trainer to do. It is plain data, which can be sent to other processes."""

from __future__ import annotations

from dataclasses import dataclass

from stages.core.recipe import Recipe


@dataclass(frozen=True)
class Job:
    """One job of a trainer. Places are absolute paths of folders, or hub names of models."""

    recipe: Recipe
    kept: str
    rollouts: str
    games: str
    model: str  # the policy that played; training starts from it if there is no state
    base: str  # the KL reference, and what a LoRA adapter belongs to
    anchor: str  # what the KL of anchor rows is measured to
    outside: str | None  # the base's answers to prompts outside the game
    state_in: str | None  # where to load the start from, unless the trainer holds it
    state_out: str | None  # where the new state goes; None: it stays in the trainer
    out: str | None = None  # the checkpoint's folder
    handover: str | None = None  # where full weights go for the engine, instead of to `out`
    done: int = 0  # updates of the run before this call
    total: int = 0  # updates that the schedule spans
    rate_share: float = 1.0  # of the schedule's learning rate
    start: str = ""  # the id of the state to start from
    state_id: str = ""  # of the new state
    off_policy: int = 0  # rows played by weights other than those that train
    played_before: bool = False  # whether that is on purpose
    in_background: bool = False  # whether the state is written after the call

    def ratio_is_to_start(self, updates: int) -> bool:
        """Whether the importance ratio divides by log-probs from before the call's first update."""
        ratio = self.recipe.train.ratio
        return ratio == "sampled" or (ratio == "auto" and (updates > 1 or self.off_policy > 0))
