"""Plays dealt games into a folder: saves each when it ends, and finally sorts them all into tables."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.engines.base import Engine, Tally
from stages.core.game.rules import Deal
from stages.core.play.game import PreparedGame, Row, play_games, prepare
from stages.core.play.journal import Journal
from stages.core.play.live import Meter, watch
from stages.core.printing.terminal import say
from stages.core.recipe import Recipe
from stages.core.recipe.rollout import Seats

# The columns of a pair that playing needs.
PAIR = ["pair_id", "domain", "original", "modified", "original_sha256", "modified_sha256", "changes", "scene"]


@dataclass(frozen=True)
class Played:
    """How many games had finished before this call, and what this call did."""

    before: int
    games: int = 0
    seconds: float = 0.0
    tally: Tally = field(default_factory=Tally)

    def timings(self) -> dict[str, float]:
        """Timings for a manifest. The cache hit rate appears only if there were prompt tokens."""
        tally, per_second = self.tally, 1 / self.seconds if self.seconds else 0.0
        cached = {"cache_hit_rate": round(tally.tokens_cached / tally.tokens_in, 4)} if tally.tokens_in else {}
        return {
            "play_seconds": round(self.seconds, 3),
            "games_per_minute": round(60 * self.games * per_second, 2),
            "tokens_in_per_second": round(tally.tokens_in * per_second, 1),
            "tokens_per_second": round(tally.tokens_out * per_second, 1),
            **cached,
            "retries": tally.retries,
            "restarts": tally.restarts,
        }


def deal_table(deals: Iterable[Deal]) -> pl.DataFrame:
    """The deals as a table (`tables.GAMES`), which takes less memory than many objects."""
    return tables.from_rows([vars(deal) for deal in deals], tables.GAMES)


def play_folder(
    folder: Path,
    recipe: Recipe,
    deals: pl.DataFrame,
    pairs: pl.DataFrame,
    games: Path,
    engine: Engine,
    *,
    seats: Seats | None = None,
    seats_of: Mapping[str, Seats] | None = None,
    title: str = "playing",
) -> Played:
    """Write `part-*.parquet` and `games.parquet` of the `deals` (`tables.GAMES`) into `folder`.

    `pairs` is the table of the games folder `games`. `seats` replaces the recipe's seats; `seats_of`, by `game_id`,
    replaces both. Games that a killed call finished are not played again. A folder with a `games.parquet` is complete.
    """
    if (folder / "games.parquet").is_file():
        shutil.rmtree(folder / "journal", ignore_errors=True)  # a kill may have left it next to complete tables
        return Played(len(deals))
    deals = deals.select(list(tables.GAMES))
    of_chart = pl.when(pl.col("domain") == "chart").then("scene").alias("scene")  # prompts need only charts' scenes
    pictures = pairs.select(PAIR).with_columns(of_chart)
    pair_rows = {pair_id: row for row, pair_id in enumerate(pictures["pair_id"])}
    journal = Journal(folder / "journal", recipe.rollout, recipe.deterministic)

    def prepare_game(number: int) -> PreparedGame:
        deal = Deal(*deals.row(number))
        players = (seats_of or {}).get(deal.game_id, seats or recipe.rollout.seats)
        return prepare(number, deal, pictures.row(pair_rows[deal.pair_id], named=True), games, players)

    def on_finished(number: int, rows: list[Row]) -> None:
        journal.add(number, rows)
        meter.finished += 1

    waiting = (~deals["game_id"].is_in(journal.finished.implode())).arg_true().to_list()
    _warn_of_idle_workers(waiting, engine, recipe)
    meter = Meter(title, len(deals), len(deals) - len(waiting), recipe.game, engine)
    try:
        with watch(meter):
            engine.run(play_games(waiting, prepare_game, recipe, engine, on_finished))
    except BaseException:
        if not recipe.deterministic:  # deterministic recipes keep only whole blocks
            journal.save()
        raise
    played = Played(meter.before, meter.finished, meter.seconds(), meter.tally())
    journal.save()
    journal.publish(folder, expected=deals["game_id"])
    tables.write(deals, folder / "games.parquet", tables.GAMES)
    journal.delete()
    return played


def _warn_of_idle_workers(waiting: Sequence[int], engine: Engine, recipe: Recipe) -> None:
    """Warn if a deterministic recipe, which gives each worker whole blocks, has fewer blocks than workers."""
    if engine.lanes == 1 or not recipe.deterministic:
        return
    busy = len({engine.lane(number) for number in waiting})
    if 0 < busy < engine.lanes:
        say(
            f"warning: only {busy} of {engine.lanes} workers have games: with deterministic=true, whole blocks of "
            f"rollout.concurrent_games ({recipe.rollout.concurrent_games}) stay together, and {len(waiting)} games "
            f"wait; set it to {-(-len(waiting) // engine.lanes)} or less to give every worker some"
        )
