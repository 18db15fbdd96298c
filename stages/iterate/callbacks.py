"""Callbacks: your own functions, which get the metrics and a few games of each finished round (`iterate.callbacks`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.errors import VzError
from stages.core.printing.terminal import say
from stages.core.recipe import Recipe
from stages.core.seeds import rng
from stages.core.user_code import load_user_object, user_errors
from stages.iterate.state import Metrics

SAMPLE_GAMES = 4
SCORES = ["reward", "advantage", "correct"]
FUNCTION = "after_round"


@dataclass(frozen=True)
class FinishedRound:
    """What a callback gets."""

    number: int  # of the round, from 1
    metrics: Metrics  # its row of metrics.jsonl
    timings: Metrics  # its row of timings.jsonl
    games: pl.DataFrame  # all rows of a few games: the columns of the rollouts, then `reward`, `advantage`, `correct`
    pictures: Path  # the games folder, to which the column `images` is relative
    run: Path  # the run's folder
    folder: Path  # the round's folder, with all its tables


Callback = Callable[[FinishedRound], object]


def load_callbacks(recipe: Recipe) -> dict[str, Callback]:
    """The functions `after_round` by file. `InputError` if a file is missing or wrong."""
    return {file: load_user_object(file, FUNCTION, "iterate.callbacks") for file in recipe.iterate.callbacks}


def call_back(callbacks: dict[str, Callback], finished: FinishedRound) -> list[str]:
    """Call all callbacks. A failure is only a warning, since no round depends on its callbacks."""
    warnings = []
    for file, callback in callbacks.items():
        try:
            with user_errors(file):
                callback(finished)
        except VzError as error:
            warnings.append(f"round {finished.number}: the callback failed: {error}")
            say(f"warning: {warnings[-1]}")
    return warnings


def sample_games(folder: Path, seed: int) -> pl.DataFrame:
    """The scored rows of a few games of the round in `folder`, drawn by `seed`."""
    ids = tables.read(folder / "scored/games.parquet", tables.SCORED_GAMES, ["game_id"])["game_id"].sort().to_list()
    chosen = rng(seed, "callbacks", folder.name).sample(ids, min(SAMPLE_GAMES, len(ids)))
    scored = tables.read(folder / "scored/scored.parquet", tables.SCORED, [*tables.KEY, *SCORES])
    rows = pl.scan_parquet(tables.parts_of(folder / "rollouts"), hive_partitioning=False, glob=False)
    picked = rows.filter(pl.col("game_id").is_in(chosen)).collect()
    return picked.join(scored, on=tables.KEY, how="left").sort(tables.KEY)
