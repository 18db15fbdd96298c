"""Tables that are larger than memory: read in ranges of games, and written piece by piece.

In a table sorted by `game_id`, the rows of a game are adjacent, so a stage can take a few thousand games at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import polars as pl

from stages.core import tables
from stages.core.clock import clock
from stages.core.folder.files import replace_file
from stages.core.folder.temporary import TemporaryFolder

GAMES_AT_ONCE = 16384  # about 300,000 rows, at 18 rows per game
GAME = pl.col("game_id")


def scan(path: Path, schema: tables.Schema, columns: list[str] | None = None) -> pl.LazyFrame:
    """A table, checked as in `tables.read`, whose rows are read when needed.

    A file whose columns have other types, as pandas may write them, is read at once.
    """
    wanted, stored = columns or list(schema), tables.stored_columns(path, schema)
    if any(stored.get(name) != schema[name] for name in wanted):
        return tables.read(path, schema, wanted).lazy()
    return pl.scan_parquet(path, hive_partitioning=False, glob=False).select(wanted)


class Parts:
    """The rows of some columns in the `part-*.parquet` of a table, by ranges of games."""

    def __init__(self, folder: Path, schema: tables.Schema, columns: list[str]) -> None:
        scans = [scan(part, schema, columns) for part in tables.parts_of(folder)]
        lowest = pl.when(GAME.null_count() == 0).then(GAME.min()).fill_null("")  # null sorts before all ids
        ends = [part.select(lowest, highest=GAME.max().fill_null("")).collect().row(0) for part in scans]
        self._parts: list[tuple[pl.LazyFrame, str, str]] = [(part, *end) for part, end in zip(scans, ends, strict=True)]
        self._empty = scans[0].head(0).collect()

    def between(self, first: str | None, end: str | None) -> pl.DataFrame:
        """The rows of the games from `first` up to but not including `end`, in stored order. None means no bound."""
        above = pl.lit(True) if first is None else pl.lit(first) <= GAME
        below = pl.lit(True) if end is None else pl.lit(end) > GAME
        found = [
            part.filter((above & below).fill_null(first is None))
            for part, lowest, highest in self._parts
            if (first is None or highest >= first) and (end is None or lowest < end)
        ]
        return _in_turn(self._empty, found)

    def of_games(self, games: pl.Series) -> pl.DataFrame:
        """The rows of these games, and of all games with ids between them."""
        first, last = str(games.min()), str(games.max())
        found = [
            part.filter(GAME.is_between(pl.lit(first), pl.lit(last)))
            for part, lowest, highest in self._parts
            if not games.is_empty() and lowest <= last and highest >= first
        ]
        return _in_turn(self._empty, found)


def _in_turn(empty: pl.DataFrame, parts: list[pl.LazyFrame]) -> pl.DataFrame:
    """The rows of the parts, read one after another."""
    return pl.concat([empty, *(part.collect() for part in parts)])


def blocks_of(games: pl.DataFrame, size: int) -> Iterator[tuple[pl.DataFrame, str | None, str | None]]:
    """The sorted `games`, `size` at a time, each with the range of `game_id` that `Parts.between` takes.

    The first range is open below and the last one above, so that one of them includes rows of unknown games.
    """
    for start in range(0, max(1, len(games)), size):
        first = games["game_id"][start] if start else None
        end = games["game_id"][start + size] if start + size < len(games) else None
        yield games.slice(start, size), first, end


def whole_games(path: Path, schema: tables.Schema, size: int) -> Iterator[pl.DataFrame]:
    """The rows of a table in stored order, about `size` rows at a time, with all rows of a game in one piece.

    A table that is not sorted by game comes in one piece.
    """
    table = scan(path, schema)
    rows = table.select(pl.len()).collect().item()
    if not table.select(GAME).collect()["game_id"].is_sorted():
        size = max(1, rows)
    rest = table.head(0).collect()
    for start in range(0, rows, size):
        read = pl.concat([rest, table.slice(start, size).collect()])
        whole = len(read) if start + size >= rows else _start_of_last(read["game_id"])
        rest = read.slice(whole)
        if whole:
            yield read.head(whole)
    if not rows:
        yield rest


def _start_of_last(games: pl.Series) -> int:
    """The row at which the last game of a sorted column begins."""
    return int(games.search_sorted(games[-1], "left"))


class Pieces:
    """Writes a table piece by piece, but publishes it in one step: the pieces wait in files, and only one is in memory.

    The bytes are the same as when `tables.write` writes the whole table. An error leaves nothing behind.
    """

    def __init__(self, path: Path, schema: tables.Schema) -> None:
        self._path, self._schema = path, schema
        self._only: pl.DataFrame | None = None  # a single piece waits in memory
        self._files: list[Path] = []

    def __enter__(self) -> Self:
        self._folder = TemporaryFolder(f".{self._path.name}.", self._path.parent)
        return self

    def add(self, rows: pl.DataFrame) -> None:
        """Add the next rows."""
        tables.check(rows, self._schema, self._path)
        if self._only is None and not self._files:
            self._only = rows
            return
        if self._only is not None:
            self._keep(self._only)
            self._only = None
        self._keep(rows)

    def replace(self, column: str, values: pl.Series) -> None:
        """Replace a column's values in all rows added so far."""
        if self._only is not None:
            self._only = self._only.with_columns(values.alias(column))
        start = 0
        for file in self._files:
            rows = pl.read_parquet(file)
            rows.with_columns(values.slice(start, len(rows)).alias(column)).write_parquet(file, compression="lz4")
            start += len(rows)

    def _keep(self, rows: pl.DataFrame) -> None:
        self._files.append(Path(self._folder.path, f"{len(self._files):06d}.parquet"))
        rows.write_parquet(self._files[-1], compression="lz4")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._folder:
            if kind is None:
                self._finish()

    @clock.part("writing tables")
    def _finish(self) -> None:
        if not self._files:
            rows = pl.DataFrame(schema=self._schema) if self._only is None else self._only
            tables.write(rows, self._path, self._schema)
            return
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        pieces = pl.scan_parquet(self._files, hive_partitioning=False, glob=False).select(list(self._schema))
        pieces.sink_parquet(temporary, compression="zstd")
        replace_file(temporary, self._path)
