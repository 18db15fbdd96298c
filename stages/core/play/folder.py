"""Dealt games played into a folder: finished games are saved as they end, and sorted into tables when all are."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.engines.base import Engine, Tally
from stages.core.game.rules import Deal
from stages.core.game.thinking import thinking_tags
from stages.core.play.deals import Deals
from stages.core.play.game import Row, Rules, Table, play_games, set_table
from stages.core.play.journal import Journal
from stages.core.play.live import Meter, watch
from stages.core.recipe import Recipe
from stages.core.recipe.rollout import Seats

# What playing needs of a pair.
PAIR = ["pair_id", "domain", "original", "modified", "original_sha256", "modified_sha256", "changes", "scene"]


@dataclass(frozen=True)
class Played:
    """How many games were finished before this call, and what this call took."""

    before: int
    games: int = 0
    seconds: float = 0.0
    tally: Tally = field(default_factory=Tally)

    def timings(self) -> dict[str, float]:
        """For a manifest; the share of prompt tokens that a cache spared only where there were any."""

        def rate(count: int, digits: int) -> float:
            return round(count / self.seconds, digits) if self.seconds else 0.0

        tally = self.tally
        cached = {"cache_hit_rate": round(tally.tokens_cached / tally.tokens_in, 4)} if tally.tokens_in else {}
        return {
            "play_seconds": round(self.seconds, 3),
            "games_per_minute": rate(60 * self.games, 2),
            "tokens_in_per_second": rate(tally.tokens_in, 1),
            "tokens_per_second": rate(tally.tokens_out, 1),
            **cached,
            "retries": tally.retries,
            "restarts": tally.restarts,
        }


def play_folder(
    folder: Path,
    recipe: Recipe,
    deals: Sequence[Deal],
    pairs: pl.DataFrame,
    games: Path,
    engine: Engine,
    *,
    seats: Seats | None = None,
    seats_of: Mapping[str, Seats] | None = None,
    title: str = "playing",
) -> Played:
    """Write `part-*.parquet` and `games.parquet` of the deals into `folder`.

    `pairs` is the table of the games folder `games`; `seats` overrides the recipe's and `seats_of`, by `game_id`, both.
    What a killed call finished is kept: games in the journal are not played again, and a folder with its
    `games.parquet` is whole. Games that wait are rows of a table: memory does not grow with what is played.
    """
    if (folder / "games.parquet").is_file():
        shutil.rmtree(folder / "journal", ignore_errors=True)  # a kill may have left it beside whole tables
        return Played(len(deals))
    everywhere, own, dealt = seats or recipe.rollout.seats, seats_of or {}, Deals.of(deals)
    of_chart = pl.when(pl.col("domain") == "chart").then("scene").alias("scene")  # prompts need no other scene
    pictures = pairs.select(PAIR).with_columns(of_chart)
    pair_row = {pair_id: row for row, pair_id in enumerate(pictures["pair_id"])}
    journal = Journal(folder / "journal", recipe.rollout, recipe.deterministic)

    def set_up(place: int) -> Table:
        game = dealt[place]
        pair = pictures.row(pair_row[game.pair_id], named=True)
        return set_table(place, game, pair, games, own.get(game.game_id, everywhere))

    def on_finished(place: int, rows: list[Row]) -> None:
        journal.add(place, rows)
        meter.finished += 1

    waiting = _waiting(dealt, journal.finished)
    _tell_idle_workers(waiting, engine, recipe)
    meter = Meter(title, len(dealt), len(dealt) - len(waiting), recipe.game, engine)
    rules = Rules(recipe.game, recipe.rollout, thinking_tags(recipe.model))
    try:
        with watch(meter):
            engine.run(play_games(waiting, set_up, rules, engine, on_finished, deterministic=recipe.deterministic))
    except BaseException:
        if not recipe.deterministic:  # there only whole blocks are kept
            journal.close()
        raise
    played = Played(meter.before, meter.finished, meter.seconds(), meter.tally())
    journal.close()
    journal.publish(folder, expected=dealt.frame["game_id"])
    tables.write(dealt.frame, folder / "games.parquet", tables.GAMES)
    journal.drop()
    return played


def _tell_idle_workers(waiting: Sequence[int], engine: Engine, recipe: Recipe) -> None:
    """Deterministic recipes give whole blocks to a worker, and there may be fewer blocks than workers."""
    if engine.lanes == 1 or not recipe.deterministic:
        return
    busy = len({engine.lane(place) for place in waiting})
    if 0 < busy < engine.lanes:
        print(
            f"warning: only {busy} of {engine.lanes} workers have games: with deterministic=true whole blocks of "
            f"rollout.concurrent_games ({recipe.rollout.concurrent_games}) stay together, and {len(waiting)} games "
            f"wait; {-(-len(waiting) // engine.lanes)} or less would give every worker some",
            file=sys.stderr,
        )


def _waiting(dealt: Deals, finished: pl.Series) -> Sequence[int]:
    """The places of the games that are not finished."""
    if finished.is_empty():
        return range(len(dealt))
    return (~dealt.frame["game_id"].is_in(finished.implode())).arg_true().to_list()
