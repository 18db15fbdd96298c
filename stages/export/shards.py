"""Rows of pairs as Parquet files with their pictures inside, written a few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core.errors import require
from stages.core.pictures import picture_of
from stages.core.progress import Progress

GROUP_ROWS, GROUP_BYTES = 100, 64 * 2**20  # of a row group: what is held in memory, and what a viewer fetches

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Written:
    """A split on disk: rows, bytes of its files, bytes of its rows in memory, and files."""

    rows: int
    file_bytes: int
    row_bytes: int
    files: int


def features() -> Any:
    """The columns of `pairs.parquet`, as `datasets` describes them."""
    datasets = require("datasets", "train")
    text, picture = datasets.Value("string"), datasets.Image()
    change = {"object": datasets.Value("int32"), "attribute": text, "before": text, "after": text}
    return datasets.Features(
        {
            "pair_id": text,
            "domain": text,
            "original": picture,
            "modified": picture,
            "original_sha256": text,
            "modified_sha256": text,
            "changes": datasets.List(change),
            "scene": text,
            "modified_scene": text,
            "source": text,
            "seed": datasets.Value("int64"),
            "split": text,
        }
    )


def write_split(
    rows: Sequence[Row], games: Path, out: Path, split: str, *, shard_bytes: int, progress: Progress
) -> Written:
    """Write the rows of a split, with the pictures in `games`, as `out/<split>-<number>-of-<count>.parquet`.

    A file holds at most `shard_bytes` of pictures and scenes, unless a single row has more. `InputError` names a
    picture that is missing or not the one in the table.
    """
    arrow, parquet = require("pyarrow", "train"), require("pyarrow.parquet", "train")
    schema = features().arrow_schema
    shards = list(_batches(rows, games, len(rows), shard_bytes))
    file_bytes = row_bytes = 0
    for number, shard in enumerate(shards):
        path = out / f"{split}-{number:05d}-of-{len(shards):05d}.parquet"
        with parquet.ParquetWriter(path, schema, compression="zstd", write_page_index=True) as file:
            for group in _batches(shard, games, GROUP_ROWS, GROUP_BYTES):
                table = arrow.Table.from_pylist([_with_pictures(row, games) for row in group], schema)
                file.write_table(table)
                row_bytes += table.nbytes
                progress.advance(len(group))
        file_bytes += path.stat().st_size
    return Written(len(rows), file_bytes, row_bytes, len(shards))


def _batches(rows: Sequence[Row], games: Path, max_rows: int, max_bytes: int) -> Iterator[Sequence[Row]]:
    """The rows in batches of at most `max_rows` rows and `max_bytes` bytes, and at least one row."""
    first = total = 0
    for place, row in enumerate(rows):
        files = [games / row[kind] for kind in ("original", "modified") if row[kind] is not None]
        size = sum(file.stat().st_size for file in files if file.is_file())
        size += len(row["scene"] or "") + len(row["modified_scene"] or "")
        if place > first and (place - first == max_rows or total + size > max_bytes):
            yield rows[first:place]
            first, total = place, 0
        total += size
    if first < len(rows):
        yield rows[first:]


def _with_pictures(row: Row, games: Path) -> dict[str, Any]:
    """The row with each picture as the feature `Image` stores it: the file's own bytes, and its name."""
    pictures: dict[str, Any] = {}
    for kind in ("original", "modified"):
        picture = picture_of(games, row, kind)
        if picture is not None:
            picture.load()  # an error if it is missing, unreadable or another one
        pictures[kind] = picture and {"bytes": picture.file(), "path": Path(picture.ref).name}
    return {**row, **pictures}
