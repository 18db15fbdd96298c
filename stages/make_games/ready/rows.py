"""A row of a manifest or Parquet file as a pair. What a cell says wrongly is an error that names row and column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from stages.core.changes import Change
from stages.core.errors import InputError
from stages.core.folder.files import parse_json
from stages.core.recipe.games import Domain
from stages.make_games.pair import safe_id
from stages.make_games.ready.columns import Columns
from stages.make_games.ready.entry import SPLITS, Entry, Stored

ID_OF_ROWS = "--set games.ready.id=''"
LAST_OBJECT = 2**31 - 1  # number of a changed object that a table can hold


def entry_of(
    row: Mapping[str, Any], columns: Columns, otherwise: str, pictures: tuple[Stored, Stored | None], where: str
) -> Entry:
    """The pair of a row with its `pictures`, named `otherwise` where the table names none."""
    domain = _ours(row, columns, "domain")
    return Entry(
        _id_of(row, columns, otherwise, where),
        *pictures,
        where,
        changes=_changes_of(row, columns, where),
        split=_split_of(row, columns, where),
        group=_group_of(row, columns),
        domain=next((known for known in get_args(Domain) if known == domain), None),  # others mean something else
        scene=_scene_of(row, columns, "scene", where),
        modified_scene=_scene_of(row, columns, "modified_scene", where),
        hashes=hashes_in(row, columns),
    )


def hashes_in(row: Mapping[str, Any], columns: Columns) -> tuple[str | None, str | None]:
    """The sha256 of both pictures, where the table has those columns."""
    return _ours(row, columns, "original_sha256"), _ours(row, columns, "modified_sha256")


def _ours(row: Mapping[str, Any], columns: Columns, name: str) -> str | None:
    """A text in one of vz's own columns, if there is any."""
    given = row.get(columns.ours[name]) if name in columns.ours else None
    return given.strip() if isinstance(given, str) and given.strip() else None


def _scene_of(row: Mapping[str, Any], columns: Columns, name: str, where: str) -> str | None:
    """A scene or chart as JSON; text of another kind is not ours, and left alone."""
    text = _ours(row, columns, name)
    if text is None or not text.startswith("{"):
        return None
    parse_json(text, f"{where}: '{columns.ours[name]}'", "mend or empty the cell")  # only to see that it can be
    return text


def _id_of(row: Mapping[str, Any], columns: Columns, otherwise: str, where: str) -> str:
    """The pair's name: that of its row, or `otherwise` where the table names none."""
    parts = [row.get(name) for name in columns.ids]
    if not parts:
        return safe_id(otherwise, where)
    for name, part in zip(columns.ids, parts, strict=True):
        if part is None or not str(part).strip():
            raise InputError(f"{where}: '{name}' is empty; give the pair a name, or number the rows by {ID_OF_ROWS}")
    # `coco/1.jpg` is `coco-1.jpg`, as with files in folders.
    return safe_id("-".join(str(part).strip() for part in parts).replace("/", "-"), where)


def _split_of(row: Mapping[str, Any], columns: Columns, where: str) -> str | None:
    """The split that the row asks for, if any."""
    given = None if columns.split is None else row.get(columns.split)
    if given is None or not str(given).strip():
        return None
    if str(given).strip().lower() not in SPLITS:
        raise InputError(f"{where}: '{columns.split}' is {given!r}; it must be train, dev or test, or be empty")
    return SPLITS[str(given).strip().lower()]


def _group_of(row: Mapping[str, Any], columns: Columns) -> str | None:
    """What pairs of one split share, e.g. the photo that several of them were made from."""
    given = None if columns.group is None else row.get(columns.group)
    return None if given is None or not str(given) else f"{columns.group}:{given}"


def _changes_of(row: Mapping[str, Any], columns: Columns, where: str) -> tuple[Change, ...]:
    """What was changed: an instruction as one change named `edit`, or a list in the form of `pairs.parquet`."""
    given = None if columns.text is None else row.get(columns.text)
    if given is None or given == "" or given == []:
        return ()
    if isinstance(given, str):
        return (Change(0, "edit", "", given),)
    try:
        return tuple(_change(one) for one in given)
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise InputError(
            f"{where}: '{columns.text}' is neither text nor a list of object (0 to {LAST_OBJECT:,}), attribute, before "
            "and after"
        ) from error


def _change(one: Mapping[str, Any]) -> Change:
    number = int(one["object"])
    if not 0 <= number <= LAST_OBJECT:
        raise ValueError(f"no object has the number {number}")
    return Change(number, str(one["attribute"]), str(one["before"]), str(one["after"]))
