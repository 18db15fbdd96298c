"""Where rewards come from: the paper, the released code, or your own Python file (`score.rewards`).

Each is a module with two functions. `clue_rewards(seats, settings)` gets a row for each seat of each game, and
`vote_rewards(votes, settings)` a row for each vote; `settings` is the recipe's `score` section. Both return the rows
they got, in the same order, with a numeric column `reward`. docs/doors/rewards.md lists the columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import polars as pl

from stages.core import tables
from stages.core.errors import InputError
from stages.core.recipe.scoring import Score
from stages.core.user_code import is_user_file, load_user_object, user_errors
from stages.score import released_code, rewards

BUILT_IN: dict[str, ModuleType] = {"paper": rewards, "released-code": released_code}
PARTS = ("accuracy", "format", "zero_sum")  # optional columns that a function may return; they only explain the reward
SEAT_KEY = ["game_id", "seat"]

RewardFunction = Callable[[pl.DataFrame, Score], pl.DataFrame]


@dataclass(frozen=True)
class Rewards:
    """The two reward functions that a recipe names, with every result checked."""

    settings: Score
    clue_rewards: RewardFunction
    vote_rewards: RewardFunction

    @classmethod
    def of(cls, settings: Score) -> Rewards:
        """Load the functions. `InputError` if a user's file lacks one of them."""
        names = ("clue_rewards", "vote_rewards")
        if is_user_file(settings.rewards):
            return cls(settings, *(load_user_object(settings.rewards, name, "score.rewards") for name in names))
        return cls(settings, *(getattr(BUILT_IN[settings.rewards], name) for name in names))

    @property
    def reads(self) -> list[str]:
        """The long columns that the functions read: completions and clues. The paper's functions read none."""
        return {"paper": [], "released-code": ["completion"]}.get(self.settings.rewards, ["completion", "clue"])

    def for_seats(self, seats: pl.DataFrame) -> pl.DataFrame:
        return self._checked(self.clue_rewards, "clue_rewards", seats, SEAT_KEY)

    def for_votes(self, votes: pl.DataFrame) -> pl.DataFrame:
        return self._checked(self.vote_rewards, "vote_rewards", votes, tables.KEY)

    def _checked(self, function: RewardFunction, name: str, given: pl.DataFrame, key: list[str]) -> pl.DataFrame:
        """`given` with the columns `reward` and `reward_parts`."""
        source = self.settings.rewards
        with user_errors(source):
            found = function(given, self.settings)
        fault = _fault(found, given, key)
        if fault:
            raise InputError(f"{source}: {name} {fault}; docs/doors/rewards.md says what it must return")
        nothing = pl.lit(None)
        parts = [(pl.col(part) if part in found.columns else nothing).cast(pl.Float64).alias(part) for part in PARTS]
        return given.with_columns(found.select(pl.col("reward").cast(pl.Float64), reward_parts=pl.struct(parts)))


def _fault(found: object, given: pl.DataFrame, key: list[str]) -> str | None:
    """What is wrong with a function's result, or None."""
    if not isinstance(found, pl.DataFrame):
        return f"returned a {type(found).__name__}, not a Polars DataFrame"
    if len(found) != len(given):
        return f"returned {len(found)} rows instead of {len(given)}"
    missing = [name for name in [*key, "reward"] if name not in found.columns]
    if missing:
        return f"returned no column '{missing[0]}'"
    if not found.select(key).equals(given.select(key)):
        return f"returned the rows in a different order ({', '.join(key)})"
    if not found.schema["reward"].is_numeric():
        return f"returned a column 'reward' of type {found.schema['reward']}, not numbers"
    wrong = found.filter(~pl.col("reward").cast(pl.Float64).is_finite().fill_null(False))
    if len(wrong):
        return f"returned the reward {wrong['reward'][0]} for {dict(zip(key, wrong.select(key).row(0), strict=True))}"
    return None
