"""Parquet: files whose columns hold pictures (as `datasets` writes them), or paths.

Pictures are never all in memory: a pair names its cells, and a process keeps one row group of two columns, which it
reads once for the pairs of that group. `datasets` writes 100 rows a group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import polars.exceptions

from stages.core.errors import InputError, require
from stages.make_games.ready import manifest
from stages.make_games.ready.columns import Columns, choose, entry_of
from stages.make_games.ready.entry import Entry, Request, one_line

EXTRA = "hub"


@dataclass(frozen=True)
class CellPicture:
    """A picture in a cell: plain bytes, or `{bytes, path}`.

    `row` counts from 1 in the file, `place` from 0 in the row group.
    """

    file: Path
    column: str
    row: int
    group: int
    place: int

    @property
    def name(self) -> str:
        return f"{self.file}: row {self.row}, '{self.column}'"

    def read(self) -> bytes:
        cell = manifest.only_one(
            _column(self.file, self.group, self.column)[self.place].as_py(), self.column, self.name
        )
        data = cell.get("bytes") if isinstance(cell, Mapping) else cell
        if isinstance(data, bytes):
            return data
        if isinstance(cell, Mapping) and cell.get("path"):
            raise InputError(
                f"{self.name}: holds only a path ('{cell['path']}'), not the picture; write the file with the pictures "
                "in it, or as a manifest with columns of paths"
            )
        raise InputError(f"{self.name}: holds no picture")


def entries(files: Sequence[Path], folder: Path | None, request: Request) -> list[Entry]:
    """The first pairs of the files in order; names count from `folder`, or are those of the one file."""
    found: list[Entry] = []
    for file in files:
        left = request.limit - len(found)
        if left <= 0:
            break
        name = file.stem if folder is None else "-".join(file.relative_to(folder).with_suffix("").parts)
        found += _of_file(file, name, request, left)
    return found


def _of_file(file: Path, name: str, request: Request, limit: int) -> list[Entry]:
    schema = _schema(file)
    pictures = [column for column, kind in schema.items() if _holds(kind, pl.Binary())]
    if not pictures:
        paths = [column for column, kind in schema.items() if _holds(kind, pl.String())]
        return manifest.entries_of_parquet(file, paths, list(schema), request)[:limit]
    columns = choose(pictures, [column for column in schema if column not in pictures], request, file)
    return list(_cells(file, name, columns, limit, request.settings.most_group_bytes))


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


def _cells(file: Path, name: str, columns: Columns, limit: int, most: int) -> Iterator[Entry]:
    pictures = [column for column in (columns.original, columns.modified) if column is not None]
    places = list(_places(file, pictures, limit, most))
    others = columns.others()
    rows = manifest.read_columns(file, others, limit).to_dicts() if others else [{}] * len(places)
    for number, ((group, place), row) in enumerate(zip(places, rows, strict=True), start=1):
        original, *modified = (CellPicture(file, column, number, group, place) for column in pictures)
        both = original, modified[0] if modified else None
        yield entry_of(row, columns, f"{name}-{number:06d}", both, f"{file}: row {number}")


def _places(file: Path, pictures: Sequence[str], limit: int, most: int) -> Iterator[tuple[int, int]]:
    """Row group and place in it of the first rows. `InputError` when a group holds over `most` bytes of pictures."""
    metadata = _open(file).metadata
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        parts = [group.column(each) for each in range(group.num_columns)]
        size = sum(part.total_uncompressed_size for part in parts if _is_of(part.path_in_schema, pictures))
        if size > most:
            raise _too_large(file, number, size, most, max(1, min(100, group.num_rows * most // size // 2)))
        for place in range(min(group.num_rows, limit)):
            yield number, place
        limit -= group.num_rows
        if limit <= 0:
            return


def _is_of(path: str, columns: Sequence[str]) -> bool:
    """Whether a column of the file, e.g. `original.bytes`, belongs to one of the table's."""
    return any(path == column or path.startswith(f"{column}.") for column in columns)


def _too_large(file: Path, group: int, size: int, most: int, rows: int) -> InputError:
    copy = file.with_name(f"{file.stem}-small.parquet")
    return InputError(
        f"{file}: row group {group} holds {size:,} bytes of pictures, which each process would hold at once, over "
        f"games.ready.most_group_bytes ({most:,}); write it again with smaller ones: python -c 'import polars; "
        f'polars.scan_parquet("{file}").sink_parquet("{copy}", row_group_size={rows})\''
    )


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
