"""Dealt games played into a folder: finished games are saved as they end, and sorted into tables when all are."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.engines.base import Engine
from stages.core.game.rules import Deal
from stages.core.journal import Journal
from stages.core.play import Row, Rules, play_games, set_table
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.core.recipe.rollout import Seats


@dataclass(frozen=True)
class Played:
    """How many games were finished before this call, and what this call took."""

    before: int
    seconds: float = 0.0
    tokens_out: int = 0

    def timings(self) -> dict[str, float]:
        rate = self.tokens_out / self.seconds if self.seconds else 0.0
        return {"play_seconds": round(self.seconds, 3), "tokens_per_second": round(rate, 1)}


def play_folder(
    folder: Path,
    recipe: Recipe,
    deals: Sequence[Deal],
    pairs: pl.DataFrame,
    games: Path,
    engine: Engine,
    *,
    seats: Seats | None = None,
    title: str = "playing",
) -> Played:
    """Write `part-*.parquet` and `games.parquet` of the deals into `folder`.

    `pairs` is the table of the games folder `games`; `seats` overrides the recipe's. What a killed call finished is
    kept: games in the journal are not played again, and a folder with its `games.parquet` is whole.
    """
    if (folder / "games.parquet").is_file():
        shutil.rmtree(folder / "journal", ignore_errors=True)  # a kill may have left it beside whole tables
        return Played(len(deals))
    rollout = recipe.rollout if seats is None else recipe.rollout.model_copy(update={"seats": seats})
    by_id = {pair["pair_id"]: pair for pair in pairs.iter_rows(named=True)}
    journal = Journal(folder / "journal", recipe.rollout, recipe.deterministic)
    waiting = [
        set_table(place, game, by_id[game.pair_id], games)
        for place, game in enumerate(deals)
        if game.game_id not in journal.finished
    ]
    before, started = len(deals) - len(waiting), time.monotonic()
    tally_before = engine.tally.copy()
    with progress_bar(title, len(deals), before) as progress:

        def on_finished(place: int, _: Deal, rows: list[Row]) -> None:
            journal.add(place, rows)
            progress.advance()

        rules = Rules(recipe.game, rollout)
        engine.run(play_games(waiting, rules, engine, on_finished, deterministic=recipe.deterministic))
    seconds = time.monotonic() - started
    journal.close()
    journal.publish(folder, expected=[game.game_id for game in deals])
    rows: list[Row] = [vars(game) for game in deals]
    tables.write(tables.from_rows(rows, tables.GAMES), folder / "games.parquet", tables.GAMES)
    journal.drop()
    return Played(before, seconds, engine.tally.since(tally_before).tokens_out)
