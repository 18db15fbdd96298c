"""What one call of the stage works on, as plain data that can be handed to other processes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.core.folder.files import read_json, write_json
from stages.core.recipe import Recipe
from stages.core.recipe.load import parse


@dataclass(frozen=True)
class Job:
    """Places are absolute paths of folders, or hub names for models."""

    recipe: Recipe
    kept: str
    rollouts: str
    games: str
    model: str  # the policy that played; training starts from it if there is no state
    base: str  # the KL reference, and what a LoRA adapter belongs to
    anchor: str  # what the KL of anchor rows is measured to
    state_in: str | None
    state_out: str  # a working folder, which the stage renames
    done: int = 0  # updates of the run before this call
    total: int = 0  # updates that the schedule spans
    rate_share: float = 1.0  # of the schedule's learning rate
    state_id: str = ""  # of the state after
    off_policy: int = 0  # rows played by other weights than those that train

    def ratio_is_to_start(self, updates: int) -> bool:
        """Whether the importance ratio divides by log-probs of before the first of the call's updates."""
        ratio = self.recipe.train.ratio
        return ratio == "sampled" or (ratio == "auto" and (updates > 1 or self.off_policy > 0))

    def save(self, path: Path) -> None:
        body = {name: value for name, value in asdict(self).items() if name != "recipe"}
        write_json(path, {**body, "recipe": self.recipe.model_dump(mode="json", by_alias=True)})

    @classmethod
    def load(cls, path: Path) -> Job:
        body: dict[str, Any] = read_json(path)
        return cls(**{**body, "recipe": parse(body["recipe"], str(path))})
