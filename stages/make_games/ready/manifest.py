"""Tables of paths: CSV, JSON lines, a JSON list, or Parquet with paths. A row is a pair."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import polars as pl
import polars.exceptions

from stages.core.errors import InputError
from stages.core.folder.files import parse_json, read_file
from stages.make_games.ready.columns import Columns, Spot, choose
from stages.make_games.ready.entry import Entry, FilePicture, Request, one_line
from stages.make_games.ready.paths import below, stays_in, without_links
from stages.make_games.ready.rows import entry_of, hashes_in

EXAMPLE = '{"original": …, "modified": …}'
DELIMITERS = "\t;"  # of a file whose first line has no comma
Row = tuple[str, Mapping[str, Any]]  # where it stands, for messages; its cells by column


def entries(file: Path, request: Request) -> Iterator[Entry]:
    """The pairs of a `.csv`, `.tsv`, `.jsonl` or `.json` file. `InputError` names file, line and column."""
    objects = {".jsonl": _lines_of_jsonl, ".json": _items_of_json}.get(file.suffix.lower())
    names, rows = _csv(file) if objects is None else _objects(file, objects(file), request.limit)
    return _entries(file, choose(names, names, request, file), rows, request)


def entries_of_parquet(file: Path, eligible: Sequence[str], names: Sequence[str], request: Request) -> Iterator[Entry]:
    """The pairs of a Parquet file whose `eligible` columns hold paths, of all its columns `names`; at most one more
    than is wanted."""
    columns = choose(eligible, names, request, file)
    pictures = [spot.column for spot in columns.pictures]
    frame = read_columns(file, [*pictures, *columns.others()], request.limit + 1)
    rows = ((f"{file}: row {number}", row) for number, row in enumerate(frame.iter_rows(named=True), start=1))
    return _entries(file, columns, rows, request)


def read_columns(file: Path, names: Sequence[str], limit: int) -> pl.DataFrame:
    """The first rows of some columns of a Parquet file."""
    try:
        with file.open("rb") as stream:
            return pl.read_parquet(stream, columns=list(dict.fromkeys(names)), n_rows=limit, hive_partitioning=False)
    except (polars.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{file}: not a readable Parquet file ({one_line(error)}); get it again") from error


def _entries(file: Path, columns: Columns, rows: Iterator[Row], request: Request) -> Iterator[Entry]:
    number = 0
    for number, (where, row) in enumerate(rows, start=1):
        hashes = hashes_in(row, columns)
        original = _picture(row, columns.original, hashes[0], where, file, request)
        modified = None
        if columns.modified is not None:
            modified = _picture(row, columns.modified, hashes[1], where, file, request)
        yield entry_of(row, columns, f"{file.stem}-{number:06d}", (original, modified), where)
    if not number:
        raise InputError(f"{file}: holds no rows; give a manifest with a row a pair")


def _picture(
    row: Mapping[str, Any], spot: Spot, sha256: str | None, where: str, file: Path, request: Request
) -> FilePicture:
    text = spot.of(row.get(spot.column), where)
    if isinstance(text, Mapping):  # as `datasets` writes a picture that lies elsewhere
        text = text.get("path")
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{where}: '{spot}' is {text!r}, not the path of a picture; fill it in or remove the row")
    elsewhere = request.settings.pictures
    folder = Path(elsewhere) if elsewhere else file.parent
    path = below(folder, text.strip(), where)
    if request.settings.unusable == "error" and not os.path.isfile(path):  # noqa: PTH113 - nor is a name too long
        raise InputError(
            f"{where}: {path}: no such picture; put it there, set games.ready.pictures to its folder, or drop all such "
            "pairs with --set games.ready.unusable=drop"
        )
    if stays_in(folder if elsewhere else request.root or folder, path):
        return FilePicture(path)
    if sha256 is None:
        told = f"{text!r} is a path outside the folder {folder}, since a link leads there"
        raise InputError(f"{where}: {told}; {without_links(folder, file)}")
    return FilePicture(path, sha256)


def _csv(file: Path) -> tuple[list[str], Iterator[Row]]:
    rows = _lines_of_csv(file)
    where, names = next(rows, (str(file), []))
    if not names or len(set(names)) < len(names) or not all(name.strip() for name in names):
        raise InputError(f"{where}: the first line must name the columns, each once; it is {names}")

    def cells() -> Iterator[Row]:
        for where, values in rows:
            if len(values) != len(names):
                raise InputError(f"{where}: has {len(values)} cells, but there are {len(names)} columns; mend the line")
            yield where, dict(zip(names, values, strict=True))

    return names, cells()


def _lines_of_csv(file: Path) -> Iterator[tuple[str, list[str]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            head = stream.readline()
            stream.seek(0)
            delimiter = next((mark for mark in DELIMITERS if mark in head and "," not in head), ",")
            reader = csv.reader(stream, strict=True, delimiter=delimiter)
            yield from ((f"{file}: line {reader.line_num}", values) for values in reader if values)
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{file}: not a readable CSV file in UTF-8 ({one_line(error)})") from error


def _objects(file: Path, objects: Iterator[Row], limit: int) -> tuple[list[str], Iterator[Row]]:
    """The columns of all rows that are wanted, since an object leaves out what it does not know; and the rows."""
    rows = list(islice(objects, limit))
    if not rows:
        raise InputError(f"{file}: holds no rows; give a manifest with a row a pair")
    return list(dict.fromkeys(name for _, row in rows for name in row)), chain(rows, objects)


def _lines_of_jsonl(file: Path) -> Iterator[Row]:
    try:
        with file.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield f"{file}: line {number}", _object(line, f"{file}: line {number}")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"{file}: not a readable file of JSON lines in UTF-8 ({one_line(error)})") from error


def _items_of_json(file: Path) -> Iterator[Row]:
    items = parse_json(read_file(file), str(file), "mend the file")
    if not isinstance(items, list):
        raise InputError(f"{file}: is no list of pairs; write them as [{EXAMPLE}, …], or an object a line as .jsonl")
    for number, item in enumerate(items, start=1):
        yield f"{file}: item {number}", _row(item, f"{file}: item {number}")


def _object(line: str, where: str) -> Mapping[str, Any]:
    return _row(parse_json(line, where, "mend the line"), where)


def _row(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where}: is no JSON object; write a pair as {EXAMPLE}")
    return value
