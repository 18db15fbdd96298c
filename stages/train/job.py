"""What one call of the stage asks for, as plain data, so that it can be handed to other processes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages.core.folder.files import read_json, write_json
from stages.core.recipe import Recipe
from stages.core.recipe.load import parse

RESULT, ERROR = "result.json", "error.json"  # what a launched training leaves beside its job file


@dataclass(frozen=True)
class Job:
    """Places are folders, or hub names for `model` and `base`. `out` and `state_out` are working folders."""

    recipe: Recipe
    kept: str
    rollouts: str
    games: str
    model: str  # the policy that played: where training starts without a state
    base: str  # the KL reference, and what a LoRA adapter belongs to
    anchor: str  # what anchor rows hold to
    state_in: str | None
    state_out: str
    out: str
    done: int  # updates of the run before this call
    total: int  # updates the schedule spans
    rate_share: float  # of the schedule's learning rate
    state_id: str  # of the state after
    off_policy: int  # rows that other weights than those that train played

    def save(self, path: Path) -> None:
        body = {name: value for name, value in asdict(self).items() if name != "recipe"}
        write_json(path, {**body, "recipe": self.recipe.model_dump(mode="json", by_alias=True)})

    @classmethod
    def load(cls, path: Path) -> Job:
        body: dict[str, Any] = read_json(path)
        return cls(**{**body, "recipe": parse(body["recipe"], str(path))})


@dataclass(frozen=True)
class Trained:
    """What the training processes report: one dictionary an update, and what happened on the way."""

    updates: list[dict[str, Any]]
    seconds: float

    def save(self, path: Path) -> None:
        write_json(path, asdict(self))

    @classmethod
    def load(cls, path: Path) -> Trained:
        return cls(**read_json(path))
