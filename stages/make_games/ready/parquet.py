"""Parquet: files whose columns hold pictures (as `datasets` writes them), or paths.

Pictures are never all in memory: a pair names its cells, and a process keeps one row group of two columns, which it
reads once for the pairs of that group. `datasets` writes 100 rows a group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import polars as pl
import polars.exceptions

from stages.core.errors import InputError, require
from stages.make_games.ready import manifest
from stages.make_games.ready.columns import Columns, Spot, choose, column_of
from stages.make_games.ready.entry import SPLITS, Entry, Request, one_line
from stages.make_games.ready.rows import entry_of

EXTRA = "hub"
# Of pictures in a row group, before compression. A process holds up to one and a half groups, and reading takes as
# much again: measured with such groups 1.3 GiB.
MOST_GROUP_BYTES = 384 * 2**20


@dataclass(frozen=True)
class CellPicture:
    """A picture in a cell: plain bytes, or `{bytes, path}`.

    `row` counts from 1 in the file, `place` from 0 in the row group.
    """

    file: Path
    spot: Spot
    row: int
    group: int
    place: int

    @property
    def name(self) -> str:
        return f"{self.file}: row {self.row}, '{self.spot}'"

    def read(self) -> bytes:
        cell = self.spot.of(_column(self.file, self.group, self.spot.column)[self.place].as_py(), self.name)
        data = cell.get("bytes") if isinstance(cell, Mapping) else cell
        if isinstance(data, bytes):
            return data
        if isinstance(cell, Mapping) and cell.get("path"):
            raise InputError(
                f"{self.name}: holds only a path ('{cell['path']}'), not the picture; write the file with the pictures "
                "in it, or as a manifest with columns of paths"
            )
        raise InputError(f"{self.name}: holds no picture")


def entries(files: Sequence[Path], folder: Path | None, request: Request) -> Iterator[Entry]:
    """The pairs of the files in order; names count from `folder`, or are those of the one file.

    Files that are named after several splits, as `datasets` does, give their pairs these; those of train come first.
    """
    splits = {} if folder is None else _named_splits(files, folder)
    for file in sorted(files, key=lambda file: splits.get(file) != "train"):
        for pair in _of_file(file, folder, request):
            yield replace(pair, split=pair.split or splits[file]) if splits else pair


def _named_splits(files: Sequence[Path], folder: Path) -> dict[Path, str | None]:
    """The split of each file by its name: `<split>-…`, `<split>.parquet`, or in a folder `<split>`.

    Empty where no two splits are named: what is all of one is yet to be divided.
    """
    named = {}
    for file in files:
        names = [file.stem.split("-")[0], *file.relative_to(folder).parts[:-1]]
        named[file] = next((SPLITS[name] for name in names if name in SPLITS), None)
    return named if len({*named.values()} - {None}) > 1 else {}


def _of_file(file: Path, folder: Path | None, request: Request) -> Iterator[Entry]:
    schema = _schema(file)
    pictures = [column for column, kind in schema.items() if _holds(kind, pl.Binary())]
    paths = [column for column, kind in schema.items() if _holds(kind, pl.String())]
    named = (request.settings.original, request.settings.modified)
    wanted = {column_of(name) for name in named if name is not None}
    if not pictures or (wanted and wanted <= set(paths)):  # other columns, such as thumbnails, may hold pictures
        return manifest.entries_of_parquet(file, paths, list(schema), request)
    columns = choose(pictures, [column for column in schema if column not in pictures], request, file)
    return _cells(file, folder, columns, request)


def _schema(file: Path) -> Mapping[str, pl.DataType]:
    try:
        with file.open("rb") as stream:
            return pl.read_parquet_schema(stream)
    except (polars.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{file}: not a readable Parquet file ({one_line(error)}); get it again") from error


def _holds(kind: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether cells are of the wanted kind: itself, `{bytes, …}` of it, or lists of either."""
    if isinstance(kind, pl.List):
        kind = kind.inner if isinstance(kind.inner, pl.DataType) else kind
    if isinstance(kind, pl.Struct):
        return any(field.name == "bytes" and field.dtype == wanted for field in kind.fields)
    return kind == wanted


def _cells(file: Path, folder: Path | None, columns: Columns, request: Request) -> Iterator[Entry]:
    """The pairs of the rows, up to one more than is wanted."""
    name = file.stem if folder is None else "-".join(file.relative_to(folder).with_suffix("").parts)
    metadata, others = _open(file).metadata, columns.others()
    count = min(metadata.num_rows, request.limit + 1)
    rows = manifest.read_columns(file, others, count).to_dicts() if others else repeat({}, count)
    places = islice(_places(file, folder, metadata, columns), count)
    for number, ((group, place), row) in enumerate(zip(places, rows, strict=True), start=1):
        original, *modified = (CellPicture(file, spot, number, group, place) for spot in columns.pictures)
        both = original, modified[0] if modified else None
        yield entry_of(row, columns, f"{name}-{number:06d}", both, f"{file}: row {number}")


def _places(file: Path, folder: Path | None, metadata: Any, columns: Columns) -> Iterator[tuple[int, int]]:
    """Row group and place in it of each row. `InputError` when a group holds more than MOST_GROUP_BYTES of pictures."""
    pictures = [spot.column for spot in columns.pictures]
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        parts = [group.column(each) for each in range(group.num_columns)]
        size = sum(part.total_uncompressed_size for part in parts if _is_of(part.path_in_schema, pictures))
        if size > MOST_GROUP_BYTES:
            rows = max(1, min(100, group.num_rows * MOST_GROUP_BYTES // size // 2))
            raise InputError(
                f"{file}: row group {number} holds {size:,} bytes of pictures, which each process would hold at once, "
                f"more than {MOST_GROUP_BYTES:,}; {_rewriting(file, folder, rows)}"
            )
        for place in range(group.num_rows):
            yield number, place


def _is_of(path: str, columns: Sequence[str]) -> bool:
    """Whether a column of the file, e.g. `original.bytes`, belongs to one of the table's."""
    return any(path == column or path.startswith(f"{column}.") for column in columns)


def _rewriting(file: Path, folder: Path | None, rows: int) -> str:
    """What to do about row groups that are too large: the command that writes all of the files anew, elsewhere."""
    if folder is None:
        copy = file.with_name(f"{file.stem}-small.parquet")
        command = f'import polars; polars.scan_parquet("{file}").sink_parquet("{copy}", row_group_size={rows})'
        return f"write it again with smaller ones, and give --from {copy}: python -c '{command}'"
    copies = f"{folder.resolve().name}-small"  # where the command is given: not in the input, nor in the hub's cache
    command = (
        f'import pathlib, polars; place, out = pathlib.Path("{folder}"), pathlib.Path("{copies}"); out.mkdir(); '
        '[polars.scan_parquet(file).sink_parquet(out / "-".join(file.relative_to(place).parts), '
        f'row_group_size={rows}) for file in place.rglob("*.parquet")]'
    )
    return f"write all files again with smaller ones, and give --from {copies}: python -c '{command}'"


def _open(file: Path) -> Any:
    reader = require("pyarrow.parquet", EXTRA)
    try:
        return reader.ParquetFile(file, pre_buffer=False)
    except (OSError, ValueError) as error:  # Arrow's own errors are both
        raise InputError(f"{file}: not a readable Parquet file ({one_line(error)}); get it again") from error


@lru_cache(maxsize=2)  # both pictures' columns of one row group
def _column(file: Path, group: int, column: str) -> Any:
    try:
        return _open(file).read_row_group(group, columns=[column], use_threads=False).column(column)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file}: '{column}' cannot be read in row group {group} ({one_line(error)}); get it again"
        ) from error
