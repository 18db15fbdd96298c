"""Tables of pairs, one per row: CSV, JSON lines, a JSON list, Parquet, or what `datasets.save_to_disk` writes.

Cells hold paths, or the pictures themselves. These are never all in memory: `datasets` maps the file, and a pair names
its row.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, get_args

from stages.core.changes import Change
from stages.core.errors import InputError, require
from stages.core.folder.files import parse_json, read_file
from stages.core.recipe.games import Domain
from stages.make_games.pair import safe_id
from stages.make_games.ready.columns import Columns, Spot, choose, column_of
from stages.make_games.ready.entry import SPLITS, Bad, Entry, Offer, Request, Stored, one_line
from stages.make_games.ready.paths import picture_at

EXTRA = "hub"
EXAMPLE = '{"original": …, "modified": …}'
NUMBERED = "--set games.ready.id=''"  # numbers the rows
LAST_OBJECT = 2**31 - 1  # the largest number of a changed object that a table can hold
TEXT_SUFFIXES = (".csv", ".tsv", ".jsonl", ".json")
ARROW_SUFFIXES = (".parquet", ".arrow")
Row = tuple[str, Mapping[str, Any] | InputError]  # where it is, for messages; and its cells by column, or an error


@dataclass(frozen=True)
class CellPicture:
    """A picture in a cell: plain bytes, or `{bytes, path}`. `row` counts from 0 in the Arrow file."""

    arrow: str
    row: int
    spot: Spot
    where: str

    @property
    def name(self) -> str:
        return f"{self.where}, '{self.spot}'"

    def read(self) -> bytes:
        cell = self.spot.of(_opened(self.arrow)[self.row : self.row + 1][self.spot.column][0].as_py(), self.name)
        data = cell.get("bytes") if isinstance(cell, Mapping) else cell
        if isinstance(data, bytes):
            return data
        held = f"only a path ('{cell['path']}')" if isinstance(cell, Mapping) and cell.get("path") else "no picture"
        raise InputError(f"{self.name}: holds {held}; write the pictures into the file, or paths into a column")


def offers(files: Sequence[Path], folder: Path | None, request: Request) -> Iterator[Offer]:
    """The pairs of the files in order. Their names are relative to `folder`, or start with the name of the one file.

    If the files are named after several splits, as by `datasets`, their pairs get these splits; train comes first.
    """
    splits = {} if folder is None else _named_splits(files, folder)
    for file in sorted(files, key=lambda file: splits.get(file) != "train"):
        name = file.stem if folder is None else "-".join(file.relative_to(folder).with_suffix("").parts)
        read = _from_arrow if file.suffix.lower() in ARROW_SUFFIXES else _from_text
        for offer in read(file, name, request):
            named = isinstance(offer, Entry) and offer.split is None and splits.get(file)
            yield replace(offer, split=splits[file]) if named and isinstance(offer, Entry) else offer


def _named_splits(files: Sequence[Path], folder: Path) -> dict[Path, str | None]:
    """The split of each file by its name: `<split>-…`, `<split>.parquet`, or in a folder `<split>`.

    Empty if fewer than two splits are named: vz then divides a single split itself.
    """
    named = {}
    for file in files:
        names = [file.stem.split("-")[0], *file.relative_to(folder).parts[:-1]]
        named[file] = next((SPLITS[name] for name in names if name in SPLITS), None)
    return named if len({*named.values()} - {None}) > 1 else {}


def _from_text(file: Path, name: str, request: Request) -> Iterator[Offer]:
    rows = {".jsonl": _lines_of_json, ".json": _items_of_json}.get(file.suffix.lower(), _lines_of_csv)(file)
    head = list(islice(rows, request.limit))  # objects may omit keys, so look at all wanted rows
    names = list(dict.fromkeys(key for _, row in head if not isinstance(row, InputError) for key in row))
    if not names:
        first = next((row for _, row in head if isinstance(row, InputError)), None)
        raise first or InputError(f"{file}: holds no rows; give a table with one row per pair")
    columns = choose(names, names, request, file)
    for number, (where, row) in enumerate(chain(head, rows), start=1):
        yield _offer(row, columns, f"{name}-{number:06d}", where, _paths(row, columns, file, where, request))


def _from_arrow(file: Path, name: str, request: Request) -> Iterator[Offer]:
    number = 0
    for arrow in [str(file)] if file.suffix == ".arrow" else _as_arrow(file):
        data = _opened(arrow)
        pictures = [field.name for field in data.schema if _holds(field.type, "is_binary", "is_large_binary")]
        paths = [field.name for field in data.schema if _holds(field.type, "is_string", "is_large_string")]
        named = {column_of(each) for each in (request.settings.original, request.settings.modified) if each}
        # If the recipe names columns of paths, columns of pictures do not count: they may hold thumbnails.
        by_path = not pictures or bool(named and named <= set(paths))
        columns = choose(paths if by_path else pictures, data.schema.names, request, file)
        wanted = [*columns.others, *(spot.column for spot in columns.pictures if by_path)]
        for place, row in enumerate(_rows(data, wanted)):
            number += 1
            where = f"{file}: row {number}"
            cells = (CellPicture(arrow, place, spot, where) for spot in columns.pictures)
            stored = _paths(row, columns, file, where, request) if by_path else cells
            yield _offer(row, columns, f"{name}-{number:06d}", where, stored)


def _as_arrow(file: Path) -> list[str]:
    """The Arrow files of a Parquet file, which `datasets` keeps in its cache (HF_DATASETS_CACHE)."""
    datasets = require("datasets", EXTRA)
    datasets.disable_progress_bars()
    try:
        return [part["filename"] for part in datasets.Dataset.from_parquet(str(file)).cache_files]
    except Exception as error:  # Arrow, pandas and `datasets` raise errors without a common class
        cause = error.__cause__ or error
        raise InputError(f"{file}: not a readable Parquet file ({one_line(cause)}); get it again") from error


@lru_cache(maxsize=4)
def _opened(arrow: str) -> Any:
    """The file's table, memory-mapped rather than read."""
    library = require("pyarrow", EXTRA)
    try:
        return library.ipc.open_stream(library.memory_map(arrow)).read_all()
    except (OSError, ValueError) as error:  # Arrow's own errors are both
        raise InputError(f"{arrow}: not a readable Arrow file ({one_line(error)}); get it again") from error


def _holds(kind: Any, *wanted: str) -> bool:
    """Whether cells are of a wanted kind, `{bytes, …}` of it, or lists of either."""
    types = require("pyarrow", EXTRA).types
    if types.is_list(kind) or types.is_large_list(kind):
        kind = kind.value_type
    if types.is_struct(kind):
        return any(each.name == "bytes" and _holds(each.type, *wanted) for each in kind)
    return any(getattr(types, name)(kind) for name in wanted)


def _rows(data: Any, columns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    if not columns:
        return ({} for _ in range(data.num_rows))
    batches = data.select(list(dict.fromkeys(columns))).to_batches(max_chunksize=1000)
    return (row for batch in batches for row in batch.to_pylist())


def _paths(
    row: Mapping[str, Any] | InputError, columns: Columns, file: Path, where: str, request: Request
) -> Iterator[Stored]:
    """The pictures of a row whose cells hold paths. Raises the row's error."""
    if isinstance(row, InputError):
        raise row
    for spot, key in zip(columns.pictures, ("original_sha256", "modified_sha256"), strict=False):
        text = spot.of(row.get(spot.column), where)
        if isinstance(text, Mapping):  # as `datasets` writes a picture stored elsewhere
            text = text.get("path")
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{where}: '{spot}' is {text!r}, not the path of a picture; fill it in or remove the row")
        yield picture_at(text.strip(), _ours(row, columns, key), file, where, request)


def _offer(
    row: Mapping[str, Any] | InputError, columns: Columns, otherwise: str, where: str, pictures: Iterable[Stored]
) -> Offer:
    """The pair of a row with its `pictures`, named `otherwise` if the table gives no name."""
    try:
        original, *modified = pictures
        return _entry(dict(row), columns, otherwise, where, (original, modified[0] if modified else None))  # type: ignore[arg-type]
    except InputError as error:
        return Bad(safe_id(otherwise), str(error))


def _entry(
    row: Mapping[str, Any], columns: Columns, otherwise: str, where: str, pictures: tuple[Stored, Stored | None]
) -> Entry:
    domain = _ours(row, columns, "domain")
    return Entry(
        _id_of(row, columns, otherwise, where),
        *pictures,
        where,
        changes=_changes_of(row, columns, where),
        split=_split_of(row, columns, where),
        group=_group_of(row, columns),
        domain=next((known for known in get_args(Domain) if known == domain), None),  # other values mean something else
        scene=_scene_of(row, columns, "scene", where),
        modified_scene=_scene_of(row, columns, "modified_scene", where),
        hashes=(_ours(row, columns, "original_sha256"), _ours(row, columns, "modified_sha256")),
    )


def _ours(row: Mapping[str, Any], columns: Columns, name: str) -> str | None:
    """The text in one of vz's own columns, if any."""
    given = row.get(columns.ours[name]) if name in columns.ours else None
    return given.strip() if isinstance(given, str) and given.strip() else None


def _scene_of(row: Mapping[str, Any], columns: Columns, name: str, where: str) -> str | None:
    """A scene or chart as JSON. Other text is not vz's, and is ignored."""
    text = _ours(row, columns, name)
    if text is None or not text.startswith("{"):
        return None
    parse_json(text, f"{where}: '{columns.ours[name]}'", "fix or empty the cell")  # only to check that it parses
    return text


def _id_of(row: Mapping[str, Any], columns: Columns, otherwise: str, where: str) -> str:
    parts = [row.get(name) for name in columns.ids]
    for name, part in zip(columns.ids, parts, strict=True):
        if part is None or not str(part).strip():
            raise InputError(f"{where}: '{name}' is empty; give the pair a name, or number the rows with {NUMBERED}")
    name = "-".join(str(part).strip() for part in parts) or otherwise
    return safe_id(name.replace("/", "-"))  # `coco/1.jpg` is `coco-1.jpg`, as with files in folders


def _split_of(row: Mapping[str, Any], columns: Columns, where: str) -> str | None:
    given = None if columns.split is None else row.get(columns.split)
    if given is None or not str(given).strip():
        return None
    if str(given).strip().lower() not in SPLITS:
        raise InputError(f"{where}: '{columns.split}' is {given!r}; it must be train, dev, test or empty")
    return SPLITS[str(given).strip().lower()]


def _group_of(row: Mapping[str, Any], columns: Columns) -> str | None:
    """The group of pairs that must share a split, e.g. those made from one photo."""
    given = None if columns.group is None else row.get(columns.group)
    return None if given is None or not str(given) else f"{columns.group}:{given}"


def _changes_of(row: Mapping[str, Any], columns: Columns, where: str) -> tuple[Change, ...]:
    """The changes: an instruction as one change named `edit`, or a list in the form of `pairs.parquet`."""
    given = None if columns.text is None else row.get(columns.text)
    if given is None or given == "" or given == []:
        return ()
    if isinstance(given, str):
        return (Change(0, "edit", "", given),)
    try:
        return tuple(_change(one) for one in given)
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise InputError(
            f"{where}: '{columns.text}' is neither text nor a list of changes with object (0 to {LAST_OBJECT:,}), "
            "attribute, before and after; fix or empty the cell"
        ) from error


def _change(one: Mapping[str, Any]) -> Change:
    number = int(one["object"])
    if not 0 <= number <= LAST_OBJECT:
        raise ValueError(f"object {number} is out of range")
    return Change(number, str(one["attribute"]), str(one["before"]), str(one["after"]))


def _lines_of_csv(file: Path) -> Iterator[Row]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            head = stream.readline()
            stream.seek(0)
            delimiter = next((mark for mark in "\t;" if mark in head and "," not in head), ",")
            reader = csv.reader(stream, strict=True, delimiter=delimiter)
            names = next(reader, [])
            if not names or len(set(names)) < len(names) or not all(name.strip() for name in names):
                raise InputError(f"{file}: the first line must name every column, without repeats; it is {names}")
            for cells in filter(None, reader):
                where = f"{file}: line {reader.line_num}"
                counts = f"{where}: has {len(cells)} cells, but the table has {len(names)} columns; fix the line"
                yield where, dict(zip(names, cells, strict=True)) if len(cells) == len(names) else InputError(counts)
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{file}: not a readable CSV file in UTF-8 ({one_line(error)})") from error


def _lines_of_json(file: Path) -> Iterator[Row]:
    try:
        with file.open(encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    yield _json_row(line, f"{file}: line {number}")
    except (UnicodeDecodeError, OSError) as error:
        raise InputError(f"{file}: not a readable file of JSON lines in UTF-8 ({one_line(error)})") from error


def _items_of_json(file: Path) -> Iterator[Row]:
    items = parse_json(read_file(file), str(file), "fix the file")
    if not isinstance(items, list):
        raise InputError(
            f"{file}: is not a list of pairs; write [{EXAMPLE}, …], or a .jsonl file with one object per line"
        )
    for number, item in enumerate(items, start=1):
        yield _json_row(item, f"{file}: item {number}")


def _json_row(item: Any, where: str) -> Row:
    """A row from a line of JSON or from a value."""
    try:
        value = parse_json(item, where, "fix the line") if isinstance(item, str) else item
    except InputError as error:
        return where, error
    if not isinstance(value, dict):
        return where, InputError(f"{where}: is not a JSON object; write a pair as {EXAMPLE}")
    return where, value
