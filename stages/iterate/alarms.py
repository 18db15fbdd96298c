"""The alarms of a run: what the metrics of all rounds show, and what the run does about it (`iterate.alarms`).

All decisions depend only on stored metrics, so a run that was killed and continued decides the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from stages.core.errors import VzError
from stages.core.recipe import Recipe
from stages.core.recipe.alarms import Alarms
from stages.iterate.state import Metrics

WINDOW = 3  # rounds in a mean, since single rounds are noisy
MOST = 16.0  # the factor by which a weight changes at most, in total

REMEDY = "raise train.kl, or lower train.learning_rate"
REMEDIES = {  # of alarms that need another one
    "na": "a wrong vote may cost more than N/A: see score.abstention",
    "truncated": "raise rollout.max_clue_tokens or rollout.max_vote_tokens",
    "guard": "raise train.outside_rows, or lower train.learning_rate",
    "outside_kl": "raise train.outside_kl, or lower train.learning_rate",
}


@dataclass(frozen=True)
class Raised:
    """An alarm that is raised after a round, and what it saw, in words."""

    name: str
    what: str

    @property
    def warning(self) -> str:
        return f"alarm {self.name}: {self.what}: {REMEDIES.get(self.name, REMEDY)}"


def raised(rounds: Sequence[Metrics], alarms: Alarms) -> list[Raised]:
    """The alarms after the last of `rounds`, which are the metrics of all rounds so far."""
    found = [*_shares(rounds, alarms), *_changes(rounds, alarms), *_guard(rounds[-1:], alarms)]
    return [alarm for alarm in found if getattr(alarms, alarm.name).action != "off"]


def adapting(found: Sequence[Raised], before: Sequence[Metrics], alarms: Alarms) -> list[str]:
    """Which of the alarms `found` after a round change a weight now. `before` are the metrics of earlier rounds.

    An alarm adapts once in `WINDOW` rounds, so that it sees the effect of the change.
    """
    recent = {name for row in before[-(WINDOW - 1) :] for name in row.get("adapted", ())}
    names = dict.fromkeys(alarm.name for alarm in found)
    return [name for name in names if name in alarms.adapting() and name not in recent]


def reach(recipe: Recipe) -> int:
    """By how many rounds an alarm may roll the run back; 0 if none does."""
    return max((rounds_back(name, recipe) for name in recipe.iterate.alarms.rolling_back()), default=0)


def rounds_back(name: str, recipe: Recipe) -> int:
    """By how many rounds an alarm rolls the run back: to before the rounds that it looked at."""
    if name == "guard":  # answered by the policy that plays a round, every few rounds
        return recipe.iterate.guard.every + 1
    return WINDOW


def factors_after(factors: Mapping[str, float], names: Sequence[str], alarms: Alarms) -> dict[str, float]:
    """The factors of training's weights, by name, after the alarms `names` have adapted."""
    found = dict(factors)
    for name in names:
        alarm = getattr(alarms, name)
        known, is_rate = found.get(alarm.weight, 1.0), alarm.weight == "learning_rate"
        found[alarm.weight] = max(1 / MOST, known / alarm.factor) if is_rate else min(MOST, known * alarm.factor)
    return found


def with_factors(recipe: Recipe, factors: Mapping[str, float]) -> Recipe:
    """The recipe with training's weights multiplied by `factors`."""
    if not factors:
        return recipe
    train = recipe.train
    changed = {name: getattr(train, name) * factor for name, factor in factors.items()}
    return recipe.model_copy(update={"train": train.model_copy(update=changed)})


def stop_if_alarmed(rounds: Sequence[Metrics], alarms: Alarms, run: Path) -> None:
    """`VzError` if an alarm that stops the run is raised after the last round."""
    for alarm in raised(rounds, alarms):
        if getattr(alarms, alarm.name).action == "stop":
            raise VzError(
                f"{run}: stopped after round {rounds[-1]['iteration']}: {alarm.warning}. Its rounds are kept; to "
                f"continue anyway, repeat the command with --set iterate.alarms.{alarm.name}.action=warn"
            )


def _shares(rounds: Sequence[Metrics], alarms: Alarms) -> Iterator[Raised]:
    """Alarms whose mean over the last rounds is above a limit."""
    train = [row.get("train", {}) for row in rounds]
    seen = {
        "na": ("{:.0%} of the votes were N/A", [_share(row, "batch_na") for row in rounds]),
        "truncated": ("{:.0%} of the answers were cut off", [_share(row, "truncated", "rows") for row in rounds]),
        "unreadable": (
            "{:.0%} of the clues were unreadable",
            [_share(row, "unreadable_clues", "clues") for row in rounds],
        ),
        "repeated": ("{:.0%} of the clues repeated one", [_share(row, "repeated_clues", "clues") for row in rounds]),
        "kl": ("the KL to the base was {:.2g} nats per token", [_share(row, "kl") for row in train]),
        "outside_kl": (
            "the KL outside the game was {:.2g} nats per token",
            [_share(row, "outside_kl") for row in train],
        ),
    }
    for name, (said, values) in seen.items():
        known, limit = _known(values), alarms.limit(name)
        if len(known) >= WINDOW and (last := fmean(known[-WINDOW:])) > limit:
            yield Raised(name, f"{said.format(last)} in the last {WINDOW} rounds (limit {limit:g})")


def _changes(rounds: Sequence[Metrics], alarms: Alarms) -> Iterator[Raised]:
    """Alarms whose mean over the last rounds is far from the mean over the first ones."""
    lengths = _known([_share(row, "completion_tokens", "rows") for row in rounds])
    if len(lengths) > WINDOW:
        last, first, limit = fmean(lengths[-WINDOW:]), fmean(lengths[:WINDOW]), alarms.limit("length")
        if last > limit * first:
            yield Raised("length", f"answers have grown to {last:.0f} tokens, from {first:.0f} in the first rounds")
    for what in ("clue", "vote"):
        known = _known([row.get(f"{what}_entropy") for row in rounds])
        if len(known) <= WINDOW:
            continue
        last, first = fmean(known[-WINDOW:]), fmean(known[:WINDOW])
        if last < alarms.limit("entropy") * first:
            yield Raised(
                "entropy",
                f"the entropy of {what}s has fallen to {last:.2g} nats per token, from {first:.2g} in the first rounds "
                f"({last / first:.0%})",
            )


def _guard(newest: Sequence[Metrics], alarms: Alarms) -> Iterator[Raised]:
    """An alarm if the policy of the last round is clearly worse on the guard set than the start model."""
    for guard in (row["guard"] for row in newest if "guard" in row):
        (low, high), limit = guard["change_interval"], alarms.limit("guard")
        if high < -limit:
            yield Raised(
                "guard",
                f"{guard['right']:.0%} of the guard set's answers were right, {guard['change']:+.3f} since the start "
                f"({low:.3f} … {high:.3f}; limit −{limit:g})",
            )


def _share(row: Metrics, name: str, of: str | None = None) -> float | None:
    """A figure of a round, as a share of another one; None if the round lacks it."""
    value, total = row.get(name), 1 if of is None else row.get(of)
    return None if value is None or not total else float(value) / total


def _known(values: Sequence[float | None]) -> list[float]:
    """Rounds without the figure, such as those without log-probs, are ignored."""
    return [value for value in values if value is not None]
