"""The `iterate.alarms` section: what a run watches, and what it does when a value passes its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from stages.core.recipe.base import Section

if TYPE_CHECKING:
    from stages.core.recipe.schema import Recipe

Weight = Literal["kl", "anchor_kl", "outside_kl", "learning_rate"]


class Alarm(Section):
    """One alarm. You can change a field at any time if it does not affect training."""

    limit: float | None = Field(None, ge=0, description="Limit that raises the alarm; null: the alarm's default.")
    action: Literal["off", "warn", "adapt", "roll_back", "stop"] = Field(
        "warn",
        description="What the alarm does. warn: note it in the round's metrics and the report. adapt: warn, and "
        "change a training weight. roll_back: adapt, and continue from an earlier round. stop: end the run with an "
        "error before the next round.",
    )
    weight: Weight = Field(
        "kl",
        description="What adapt and roll_back change: a weight in section train is multiplied by factor; "
        "learning_rate is divided by it.",
    )
    factor: float = Field(
        2.0, gt=1, description="Factor of each change (vz: 2). In total, a weight changes at most 16-fold."
    )

    def identity(self, *, deterministic: bool, prefix: str = "") -> dict[str, Any]:
        """Only an alarm that adapts affects training."""
        return super().identity(deterministic=deterministic, prefix=prefix) if self.adapts else {}

    @property
    def adapts(self) -> bool:
        """Whether the alarm changes a training weight when it is raised."""
        return self.action in ("adapt", "roll_back")


# Our choice: well above the values in runs of the tiny model, so that a warning means something.
LIMITS = {
    "na": 0.5, "truncated": 0.2, "unreadable": 0.2, "repeated": 0.8, "length": 2.0, "entropy": 0.3, "kl": 1.0,
    "outside_kl": 0.2, "guard": 0.0,
}  # fmt: skip


def _alarm(description: str) -> Any:
    return Field(default_factory=Alarm, description=description)


class Alarms(Section):
    """Each alarm except guard uses the mean of the last 3 rounds, since single rounds are noisy."""

    def identity(self, *, deterministic: bool, prefix: str = "") -> dict[str, Any]:
        body = super().identity(deterministic=deterministic, prefix=prefix)
        return {name: alarm for name, alarm in body.items() if alarm}

    na: Alarm = _alarm("The share of N/A votes is above limit (vz: 0.5).")
    truncated: Alarm = _alarm("The share of truncated answers is above limit (vz: 0.2).")
    unreadable: Alarm = _alarm("The share of unreadable clues is above limit (vz: 0.2).")
    repeated: Alarm = _alarm("The share of clues that repeat an earlier clue of their game is above limit (vz: 0.8).")
    length: Alarm = _alarm("The mean answer length in tokens is above limit times that of the first 3 rounds (vz: 2).")
    entropy: Alarm = _alarm("The entropy of clues or votes is below limit times that of the first 3 rounds (vz: 0.3).")
    kl: Alarm = _alarm("The mean KL to the base is above limit, in nats per token (vz: 1).")
    outside_kl: Alarm = _alarm(
        "The mean KL from the base outside the game is above limit, in nats per token (vz: 0.2)."
    )

    guard: Alarm = _alarm(
        "The accuracy on the guard set (iterate.guard) has fallen by more than limit since the start: the whole 95 % "
        "interval of the change is below −limit (vz: 0)."
    )

    def all(self) -> dict[str, Alarm]:
        """The alarms, by name."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    def limit(self, name: str) -> float:
        """The limit of an alarm."""
        own: float | None = getattr(self, name).limit
        return LIMITS[name] if own is None else own

    def adapting(self) -> dict[str, Alarm]:
        """The alarms that adapt, by name."""
        return {name: alarm for name, alarm in self.all().items() if alarm.adapts}

    def rolling_back(self) -> dict[str, Alarm]:
        """The alarms that roll back the run, by name."""
        return {name: alarm for name, alarm in self.all().items() if alarm.action == "roll_back"}


def check_alarms(recipe: Recipe) -> None:
    """`ValueError` for an alarm that would change an unused weight."""
    train = recipe.train
    reasons = {
        "kl": None if train.kl else "train.kl is 0",
        "anchor_kl": None if recipe.filter.inactive_phase == "anchor" else "filter.inactive_phase is not anchor",
        "outside_kl": None if train.outside_rows and train.outside_kl else "train.outside_rows or outside_kl is 0",
        "learning_rate": None,
    }
    for name, alarm in recipe.iterate.alarms.adapting().items():
        if reason := reasons[alarm.weight]:
            raise ValueError(
                f"iterate.alarms.{name} adapts {alarm.weight}, but {reason}: raise that, or choose another weight"
            )
