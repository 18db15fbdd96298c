"""Earlier checkpoints as opponents: the pool, the draw for a round, the seats, and the win rates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.game.rules import Deal
from stages.core.recipe import Recipe
from stages.core.recipe.opponents import Opponents
from stages.core.recipe.rollout import Seats
from stages.core.seeds import rng

CURRENT, BASE = "current", "base"
SEATS = "seats.parquet"
POWER = 2.0  # of weighting: prioritised; a higher power prefers harder opponents (f_hard of AlphaStar)
MEMORY = 0.9  # the share of earlier games and wins that still counts after a round


@dataclass(frozen=True)
class Record:
    """The current policy's games against a member of the pool, and its wins. Older ones count less."""

    games: float = 0.0
    wins: float = 0.0

    @property
    def win_rate(self) -> float:
        """Laplace's estimate, as if one more game had been won and one lost: 1/2 if none was played."""
        return (self.wins + 1) / (self.games + 2)


Records = Mapping[str, Record]  # by the opponent's name; a pool has all members, or none without opponents


def name_of(number: int) -> str:
    """The name of a round and of the policy after it, in folders, seats and rows; `base` before the first round."""
    return f"round-{number:04d}" if number else BASE


def number_of(name: str) -> int:
    return 0 if name == BASE else int(name.removeprefix("round-"))


def weights(pool: Records, recipe: Opponents) -> dict[str, float]:
    """The probability that each member is drawn; they sum to 1."""
    if recipe.weighting == "latest":
        newest = max(pool, key=number_of)
        return {name: float(name == newest) for name in pool}
    power = POWER if recipe.weighting == "prioritised" else 0.0
    hard = {name: (1 - record.win_rate) ** power for name, record in pool.items()}
    return {name: weight / sum(hard.values()) for name, weight in hard.items()}


def draw(pool: Records, recipe: Recipe, iteration: int) -> list[str]:
    """The opponents of a round, `at_once` of them: drawn with replacement, so that each keeps its weight exactly."""
    rules = recipe.iterate.opponents
    if rules.share == 0 or not pool:
        return []
    chances = weights(pool, rules)
    return rng(recipe.seed, "opponents", iteration).choices(list(chances), list(chances.values()), k=rules.at_once)


def assign_seats(deals: Sequence[Deal], drawn: Sequence[str], recipe: Recipe, iteration: int) -> dict[str, Seats]:
    """Who plays which role, by game; empty if the round has no opponents.

    The plays of one deal (`iterate.plays_per_game`) have the same seats. Opponents play in `share` of the deals,
    rounded up or down at random so that the share is right on average. They take turns and alternate sides, so the
    numbers of deals on each side differ by at most one. The analyst plays on the civilians' side.
    """
    plays = recipe.iterate.plays_per_game
    count = math.ceil(len(deals) / plays)
    generator = rng(recipe.seed, "seats", iteration)
    wanted = min(count - 1, math.floor(recipe.iterate.opponents.share * count + generator.random()))
    if not drawn or wanted < 1:
        return {}
    first, seats = generator.randrange(2), [Seats()] * count
    for number, index in enumerate(generator.sample(range(count), wanted)):
        row, column = divmod(number, len(drawn))
        is_spy, name = (row + column + first) % 2 == 0, drawn[column]
        seats[index] = Seats(spy=name) if is_spy else Seats(civilian=name, analyst=name)
    return {game.game_id: seats[number // plays] for number, game in enumerate(deals)}


def results(deal: Path, scored: Path) -> dict[str, Record]:
    """The current policy's games and wins in a round, by opponent. Civilians win when the spy was found."""
    if not (deal / SEATS).is_file():
        return {}
    seats = tables.read(deal / SEATS, tables.SEATS)
    judged = tables.read(scored / "games.parquet", tables.SCORED_GAMES, ["game_id", "acc"])
    as_civilians = pl.col("civilian") == CURRENT
    played = (
        seats.filter((pl.col("spy") != CURRENT) | ~as_civilians)
        .join(judged, on="game_id", validate="1:1")
        .with_columns(won=pl.col("acc") == as_civilians)
        .group_by(opponent=pl.when(as_civilians).then("spy").otherwise("civilian"))
        .agg(games=pl.len(), wins=pl.col("won").sum())
    )
    return {name: Record(games, wins) for name, games, wins in played.iter_rows()}


def with_results(pool: Records, played: Records) -> dict[str, Record]:
    """The pool after the results of a round. Earlier counts fade for all members, whether they played or not."""
    new = {name: played.get(name, Record()) for name in pool}
    return {
        name: Record(MEMORY * old.games + new[name].games, MEMORY * old.wins + new[name].wins)
        for name, old in pool.items()
    }


def next_pool(pool: Records, recipe: Opponents, played: int) -> dict[str, Record]:
    """The pool after a round that the policy after round `played` has played. That policy joins if it is due.

    The base model never leaves. If there are too many checkpoints, the oldest leave with their records.
    """
    if recipe.share == 0:
        return {}
    joined = {BASE: Record(), **pool}
    if played % recipe.every == 0:
        joined.setdefault(name_of(played), Record())
    checkpoints = sorted((name for name in joined if name != BASE), key=number_of)
    return {name: joined[name] for name in [BASE, *checkpoints[-recipe.size :]]}


def metrics_of(pool: Records, played: Records) -> list[dict[str, object]]:
    """For a round's metrics: each member's games and wins in the round, and the win rate against it afterwards."""
    new = {name: played.get(name, Record()) for name in pool}
    return [
        {"policy": name, "games": int(new[name].games), "wins": int(new[name].wins), "win_rate": record.win_rate}
        for name, record in pool.items()
    ]
