"""Rows of pairs as Parquet files with their pictures inside, written a few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core.errors import require
from stages.core.pictures import picture_of
from stages.core.progress import Progress

GROUP_ROWS, GROUP_BYTES = 100, 64 * 2**20  # of a row group, which is what is held in memory and what a viewer fetches

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Written:
    """A split on disk: rows, bytes of its files, and bytes of its rows in memory."""

    rows: int
    file_bytes: int
    row_bytes: int
    files: int


def features() -> Any:
    """What `datasets` is told of the columns, which are those of `pairs.parquet`."""
    datasets = require("datasets", "train")
    text, number = datasets.Value("string"), datasets.Value("int64")
    change = {"object": datasets.Value("int32"), "attribute": text, "before": text, "after": text}
    return datasets.Features(
        {
            "pair_id": text,
            "domain": text,
            "original": datasets.Image(),
            "modified": datasets.Image(),
            "original_sha256": text,
            "modified_sha256": text,
            "changes": datasets.List(change),
            "scene": text,
            "modified_scene": text,
            "source": text,
            "seed": number,
            "split": text,
        }
    )


def write_split(
    rows: Sequence[Row], games: Path, out: Path, split: str, *, shard_bytes: int, progress: Progress
) -> Written:
    """Write the rows of a split, with the pictures that lie in `games`, as `out/<split>-<number>-of-<count>.parquet`.

    A file holds at most `shard_bytes` of pictures and scenes, unless a single row has more. `InputError` names a
    picture that is missing or not the one in the table.
    """
    arrow, parquet = require("pyarrow", "train"), require("pyarrow.parquet", "train")
    schema = features().arrow_schema
    shards = list(_cut(rows, games, len(rows), shard_bytes))
    file_bytes = row_bytes = 0
    for number, shard in enumerate(shards):
        path = out / f"{split}-{number:05d}-of-{len(shards):05d}.parquet"
        with parquet.ParquetWriter(path, schema, compression="zstd", write_page_index=True) as file:
            for group in _cut(shard, games, GROUP_ROWS, GROUP_BYTES):
                table = arrow.Table.from_pylist([_with_pictures(row, games) for row in group], schema)
                file.write_table(table)
                row_bytes += table.nbytes
                progress.advance(len(group))
        file_bytes += path.stat().st_size
    return Written(len(rows), file_bytes, row_bytes, len(shards))


def _cut(rows: Sequence[Row], games: Path, most_rows: int, most_bytes: int) -> Iterator[Sequence[Row]]:
    """The rows in stretches of at most so many rows and bytes, and of one row at least."""
    first = weight = 0
    for place, row in enumerate(rows):
        size = _weight(row, games)
        if place > first and (place - first == most_rows or weight + size > most_bytes):
            yield rows[first:place]
            first, weight = place, 0
        weight += size
    if first < len(rows):
        yield rows[first:]


def _weight(row: Row, games: Path) -> int:
    files = [games / str(row[kind]) for kind in ("original", "modified") if row[kind] is not None]
    texts = sum(len(str(row[name] or "")) for name in ("scene", "modified_scene"))
    return texts + sum(file.stat().st_size for file in files if file.is_file())


def _with_pictures(row: Row, games: Path) -> dict[str, Any]:
    pictures = {kind: _picture(row, kind, games) for kind in ("original", "modified")}
    return {**row, **pictures}


def _picture(row: Row, kind: str, games: Path) -> dict[str, Any] | None:
    """As the feature `Image` holds it: the file's own bytes, and its name."""
    picture = picture_of(games, row, kind)
    if picture is None:
        return None
    picture.load()  # an error where it is missing, unreadable or another one
    return {"bytes": picture.file(), "path": Path(picture.ref).name}
