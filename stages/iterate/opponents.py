"""Earlier checkpoints as opponents: the pool, who is drawn for a round, who sits where, and how often who wins."""

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
POWER = 2.0  # of weighting: prioritised; more prefers the hardest (f_hard of AlphaStar)
MEMORY = 0.9  # what a round leaves of the games and wins counted before it


@dataclass(frozen=True)
class Record:
    """Games of the current policy against a member of the pool and its wins, older ones counting less."""

    games: float = 0.0
    wins: float = 0.0

    @property
    def win_rate(self) -> float:
        """Laplace's estimate, as if one game more had been won and one lost: 1/2 where nothing was played."""
        return (self.wins + 1) / (self.games + 2)

    def after(self, met: Record) -> Record:
        return Record(MEMORY * self.games + met.games, MEMORY * self.wins + met.wins)


Pool = Mapping[str, Record]  # members by name, the oldest first; a run without opponents has an empty one


def name_of(number: int) -> str:
    """The policy after a round, as seats and rows name it."""
    return f"round-{number:04d}" if number else BASE


def number_of(name: str) -> int:
    return 0 if name == BASE else int(name.removeprefix("round-"))


def weights(pool: Pool, recipe: Opponents) -> dict[str, float]:
    """The probability of each member to be drawn; they sum to 1."""
    if recipe.weighting == "latest":
        newest = max(pool, key=number_of)
        return {name: float(name == newest) for name in pool}
    power = POWER if recipe.weighting == "prioritised" else 0.0
    hard = {name: (1 - record.win_rate) ** power for name, record in pool.items()}
    return {name: weight / sum(hard.values()) for name, weight in hard.items()}


def draw(pool: Pool, recipe: Recipe, iteration: int) -> list[str]:
    """The opponents of a round, `at_once` of them: drawn with replacement, so that each keeps its weight exactly."""
    rules = recipe.iterate.opponents
    if rules.share == 0 or not pool:
        return []
    chances = weights(pool, rules)
    return rng(recipe.seed, "opponents", iteration).choices(list(chances), list(chances.values()), k=rules.at_once)


def seat(deals: Sequence[Deal], lineup: Sequence[str], recipe: Recipe, iteration: int) -> dict[str, Seats]:
    """Who plays what, by game: none without opponents in the round.

    The games of one deal (`iterate.plays_per_game`) have the same seats. The deals with an opponent are `share` of
    all, rounded up or down by chance so that the share is right on average. They are spread evenly over the line-up,
    and the side that the opponent takes alternates, so that sides differ by one deal at most.
    """
    plays = recipe.iterate.plays_per_game
    count = math.ceil(len(deals) / plays)
    dice = rng(recipe.seed, "seats", iteration)
    wanted = min(count - 1, math.floor(recipe.iterate.opponents.share * count + dice.random()))
    if not lineup or wanted < 1:
        return {}
    first, everywhere = dice.randrange(2), {number: Seats() for number in range(count)}
    for place, number in enumerate(dice.sample(range(count), wanted)):
        row, column = divmod(place, len(lineup))
        everywhere[number] = _against(lineup[column], as_spy=(row + column + first) % 2 == 0)
    return {game.game_id: everywhere[place // plays] for place, game in enumerate(deals)}


def _against(opponent: str, *, as_spy: bool) -> Seats:
    """The analyst plays on the civilians' side."""
    return Seats(spy=opponent) if as_spy else Seats(civilian=opponent, analyst=opponent)


def table_of(seats: Mapping[str, Seats]) -> pl.DataFrame:
    """`tables.SEATS` of a deal."""
    rows: list[dict[str, object]] = [{"game_id": game, **who.model_dump()} for game, who in seats.items()]
    return tables.from_rows(rows, tables.SEATS)


def results(deal: Path, scored: Path) -> dict[str, Record]:
    """Games and wins of the current policy in a round, by opponent. Civilians win when the spy was found."""
    if not (deal / SEATS).is_file():
        return {}
    seats = tables.read(deal / SEATS, tables.SEATS)
    judged = tables.read(scored / "games.parquet", tables.SCORED_GAMES, ["game_id", "acc"])
    as_civilians = pl.col("civilian") == CURRENT
    met = (
        seats.filter((pl.col("spy") != CURRENT) | ~as_civilians)
        .join(judged, on="game_id", validate="1:1")
        .with_columns(won=pl.col("acc") == as_civilians)
        .group_by(opponent=pl.when(as_civilians).then("spy").otherwise("civilian"))
        .agg(games=pl.len(), wins=pl.col("won").sum())
    )
    return {name: Record(games, wins) for name, games, wins in met.iter_rows()}


def recorded(pool: Pool, met: Mapping[str, Record]) -> dict[str, Record]:
    """The pool with a round's results; who did not play is forgotten as much as who did."""
    return {name: record.after(met.get(name, Record())) for name, record in pool.items()}


def next_pool(pool: Pool, recipe: Opponents, iteration: int) -> dict[str, Record]:
    """The pool after a round: the policy that played it, which is no longer the current one, joins if it is its turn.

    The base model never leaves; of the checkpoints the oldest do, with their records, when there are too many.
    """
    if recipe.share == 0:
        return {}
    joined = {BASE: Record(), **pool}
    if (iteration - 1) % recipe.every == 0:
        joined.setdefault(name_of(iteration - 1), Record())
    checkpoints = sorted((name for name in joined if name != BASE), key=number_of)
    return {name: joined[name] for name in [BASE, *checkpoints[-recipe.size :]]}


def rows(pool: Pool, met: Mapping[str, Record]) -> list[dict[str, object]]:
    """For a round's metrics: each member's games and wins in the round, and the win rate against it known after."""
    found = {name: met.get(name, Record()) for name in pool}
    return [
        {"policy": name, "games": int(new.games), "wins": int(new.wins), "win_rate": pool[name].win_rate}
        for name, new in found.items()
    ]
