"""The games that are finished so far, on disk: a kill loses at most those not yet flushed, and none is played twice."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.errors import VzError
from stages.core.play.game import Row
from stages.core.recipe.rollout import Rollout

_PARTS = {"row": pl.Int32(), "place": pl.Int32(), "role": pl.String(), "type": pl.String(), "text": pl.String()}

SAVE_EVERY = 64  # finished games in a file of the journal
GAMES_PER_PART = 2000  # of the finished table


class Journal:
    """Collects finished games; writes them in files of SAVE_EVERY games, or of those of `save_seconds`, whichever is
    sooner; or of one block when deterministic."""

    def __init__(self, folder: Path, recipe: Rollout, deterministic: bool) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._recipe = recipe
        self._deterministic = deterministic
        self._rows: list[Row] = []
        self._places: list[int] = []
        self._saved = time.monotonic()
        self.finished = self._lies()["game_id"]  # their ids

    def add(self, place: int, rows: list[Row]) -> None:
        """Take a finished game, whole."""
        self._rows += rows
        self._places.append(place)
        size = SAVE_EVERY
        if self._deterministic:  # a block is saved whole or not at all, so that it is always played as one batch
            size = self._recipe.concurrent_games
            if place % size == size - 1:
                self._flush()
        elif len(self._places) >= size or time.monotonic() - self._saved >= self._recipe.save_seconds:
            self._flush()

    def close(self) -> None:
        if self._places:
            self._flush()

    def publish(self, work: Path, expected: pl.Series) -> None:
        """Sort all games (`expected`: their ids) into `part-*.parquet` of GAMES_PER_PART games.

        Only one part's games are in memory at once. The journal stays until `drop`.
        """
        files, lies = self._files(), self._lies().sort("game_id")
        if not lies["game_id"].equals(expected.sort()):
            raise VzError(f"{self._folder}: holds {len(lies)} games, but {len(expected)} were dealt")
        for number, part in enumerate(lies.iter_slices(GAMES_PER_PART)):
            played = pl.scan_parquet(
                [files[file] for file in part["file"].unique()], hive_partitioning=False, glob=False
            )
            frame = played.filter(pl.col("game_id").is_in(part["game_id"].implode())).collect().sort(tables.KEY)
            tables.unique_key(frame, tables.KEY, self._folder)
            tables.write(frame, work / f"part-{number:05d}.parquet", tables.ROLLOUTS)

    def drop(self) -> None:
        """Forget the journal, once the tables are whole."""
        shutil.rmtree(self._folder)

    def _flush(self) -> None:
        name = f"{min(self._places):09d}.parquet"
        tables.write(_table(self._rows), self._folder / name, tables.ROLLOUTS)
        self._rows, self._places, self._saved = [], [], time.monotonic()

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.parquet"))

    def _lies(self) -> pl.DataFrame:
        """Which `game_id` lies in which `file`, by its number."""
        found = [pl.DataFrame(schema={"game_id": pl.String(), "file": pl.UInt32()})]
        for number, file in enumerate(self._files()):
            games = tables.read(file, tables.ROLLOUTS, ["game_id"]).unique()
            found.append(games.with_columns(file=pl.lit(number, pl.UInt32())))
        return pl.concat(found)


def _table(rows: list[Row]) -> pl.DataFrame:
    """The rows as a table. Prompts come from flat columns, since Polars is slow with nested Python lists."""
    parts = [
        (row, place, message["role"], part["type"], part["text"])
        for row, prompt in enumerate(played["prompt"] for played in rows)
        for place, message in enumerate(prompt)
        for part in message["content"]
    ]
    flat = pl.DataFrame(parts, schema=_PARTS, orient="row")
    messages = flat.group_by("row", "place", maintain_order=True).agg(
        pl.first("role"), content=pl.struct("type", "text")
    )
    prompts = messages.group_by("row", maintain_order=True).agg(prompt=pl.struct("role", "content"))
    rest = {name: kind for name, kind in tables.ROLLOUTS.items() if name != "prompt"}
    return tables.from_rows(rows, rest).with_columns(prompts["prompt"])
