"""The games that are finished so far, on disk: a kill loses at most those not yet flushed, and none is played twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.errors import VzError
from stages.core.play import Row
from stages.core.recipe.rollout import Rollout


class Journal:
    """Collects finished games; writes them in files of `save_every` games, or of one block when deterministic."""

    def __init__(self, folder: Path, recipe: Rollout, deterministic: bool) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._recipe = recipe
        self._deterministic = deterministic
        self._rows: list[Row] = []
        self._places: list[int] = []
        self.finished: set[str] = self._read_finished()

    def add(self, place: int, rows: list[Row]) -> None:
        """Take a finished game, whole."""
        self._rows += rows
        self._places.append(place)
        size = self._recipe.save_every
        if self._deterministic:  # a block is saved whole or not at all, so that it is always played as one batch
            size = self._recipe.concurrent_games
            if place % size == size - 1:
                self._flush()
        elif len(self._places) >= size:
            self._flush()

    def close(self) -> None:
        if self._places:
            self._flush()

    def publish(self, work: Path, expected: list[str]) -> None:
        """Sort all games into `part-*.parquet` of `games_per_part` games. The journal stays until `drop`."""
        files = sorted(self._folder.glob("*.parquet"))
        played = pl.scan_parquet(files, hive_partitioning=False, glob=False)
        ids = played.select("game_id").unique().collect()["game_id"].sort().to_list()
        if ids != sorted(expected):
            raise VzError(f"{self._folder}: holds {len(ids)} games, but {len(expected)} were dealt")
        for number, start in enumerate(range(0, len(ids), self._recipe.games_per_part)):
            part = ids[start : start + self._recipe.games_per_part]
            inside = pl.col("game_id").is_between(pl.lit(part[0]), pl.lit(part[-1]))
            frame = played.filter(inside).collect().sort(tables.KEY)
            tables.unique_key(frame, tables.KEY, self._folder)
            tables.write(frame, work / f"part-{number:05d}.parquet", tables.ROLLOUTS)

    def drop(self) -> None:
        """Forget the journal, once the tables are whole."""
        shutil.rmtree(self._folder)

    def _flush(self) -> None:
        name = f"{min(self._places):09d}.parquet"
        tables.write(tables.from_rows(self._rows, tables.ROLLOUTS), self._folder / name, tables.ROLLOUTS)
        self._rows, self._places = [], []

    def _read_finished(self) -> set[str]:
        files = sorted(self._folder.glob("*.parquet"))
        if not files:
            return set()
        return set(pl.scan_parquet(files, glob=False).select("game_id").unique().collect()["game_id"])
