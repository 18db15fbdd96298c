"""Finished games on disk. After a kill, only unsaved games are played again."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.errors import VzError
from stages.core.play.game import Row
from stages.core.recipe.rollout import Rollout

SAVE_EVERY = 64  # finished games per journal file
GAMES_PER_PART = 2000  # in the finished table


class Journal:
    """Collects finished games and saves them in files.

    A file is written after SAVE_EVERY games or `save_seconds`, whichever is sooner. With `deterministic: true`, each
    block has one file: a block is always played as a batch, so it is saved as a whole.
    """

    def __init__(self, folder: Path, recipe: Rollout, deterministic: bool) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._recipe, self._deterministic = folder, recipe, deterministic
        self._rows: list[Row] = []
        self._numbers: list[int] = []
        self._saved = time.monotonic()
        self.finished = self._index()["game_id"]

    def add(self, number: int, rows: list[Row]) -> None:
        """Take all rows of a finished game."""
        self._rows += rows
        self._numbers.append(number)
        if self._deterministic:
            is_full = (number + 1) % self._recipe.concurrent_games == 0
        else:
            late = time.monotonic() - self._saved >= self._recipe.save_seconds
            is_full = late or len(self._numbers) >= SAVE_EVERY
        if is_full:
            self.save()

    def save(self) -> None:
        """Write the collected games to a new file."""
        if self._numbers:
            path = self._folder / f"{min(self._numbers):09d}.parquet"
            tables.write(tables.from_rows(self._rows, tables.ROLLOUTS), path, tables.ROLLOUTS)
        self._rows, self._numbers, self._saved = [], [], time.monotonic()

    def publish(self, work: Path, expected: pl.Series) -> None:
        """Sort all games, whose ids are `expected`, into `part-*.parquet` of GAMES_PER_PART games.

        Only the games of one part are in memory at once. The journal stays until `delete`.
        """
        index = self._index().sort("game_id")
        if not index["game_id"].equals(expected.sort()):
            raise VzError(f"{self._folder}: contains {len(index)} games, but {len(expected)} were dealt")
        for number, part in enumerate(index.iter_slices(GAMES_PER_PART)):
            files = part["file"].unique().to_list()
            played = pl.scan_parquet(files, hive_partitioning=False, glob=False)
            frame = played.filter(pl.col("game_id").is_in(part["game_id"].implode())).collect().sort(tables.KEY)
            tables.unique_key(frame, tables.KEY, self._folder)
            tables.write(frame, work / f"part-{number:05d}.parquet", tables.ROLLOUTS)

    def delete(self) -> None:
        shutil.rmtree(self._folder)

    def _index(self) -> pl.DataFrame:
        """The file of each `game_id`."""
        index = [pl.DataFrame(schema={"game_id": pl.String(), "file": pl.String()})]
        for file in sorted(self._folder.glob("*.parquet")):
            games = tables.read(file, tables.ROLLOUTS, ["game_id"]).unique()
            index.append(games.with_columns(file=pl.lit(str(file))))
        return pl.concat(index)
