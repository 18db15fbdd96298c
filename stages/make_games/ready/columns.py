"""Which columns of a manifest or Parquet file hold what. Known names are used only where they are unambiguous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from stages.core.changes import Change
from stages.core.errors import InputError
from stages.core.files import parse_json
from stages.core.recipe.games import Domain
from stages.make_games.pair import safe_id
from stages.make_games.ready.entry import Entry, Request, Stored

# Original and modified, as they are published together; case, blanks and hyphens do not matter.
COUPLES = (
    ("original", "modified"),
    ("original", "edited"),
    ("original_image", "modified_image"),
    ("original_image", "edited_image"),
    ("source_img", "target_img"),  # MagicBrush
    ("source_image", "target_image"),
    ("src_img", "trg_img"),
    ("source", "target"),
    ("input_images", "output_images"),  # ImgEdit: lists of one path
    ("input_image", "output_image"),  # HQ-Edit
    ("input_image", "edited_image"),  # InstructPix2Pix
    ("input", "output"),
    ("before", "after"),
)
SINGLES = ("image", "img", "picture", "photo", "file_name")
IDS = (("pair_id",), ("id",), ("img_id", "turn_index"))  # the last: MagicBrush, several edits of one photo
GROUPS = ("group", "img_id")
TEXTS = ("changes", "instruction", "edit_instruction", "edit_prompt", "prompt", "edit")
OURS = ("domain", "scene", "modified_scene", "original_sha256", "modified_sha256")  # as vz writes and exports them
LAST_OBJECT = 2**31 - 1  # number of a changed object that a table can hold
SPLITS = {"train": "train", "dev": "dev", "val": "dev", "valid": "dev", "validation": "dev", "test": "test"}


@dataclass(frozen=True)
class Columns:
    """Names of columns as the file spells them; `modified` is None for a blank spy, the others where there is none.

    `ours`: by vz's own names, those of what vz alone writes.
    """

    original: str
    modified: str | None
    ids: tuple[str, ...]
    group: str | None
    text: str | None
    split: str | None
    ours: Mapping[str, str]

    def others(self) -> list[str]:
        """All but those of pictures."""
        known = [name for name in (self.group, self.text, self.split) if name]
        return list(dict.fromkeys([*self.ids, *known, *self.ours.values()]))


def choose(eligible: Sequence[str], names: Sequence[str], request: Request, where: object) -> Columns:
    """The columns of a table with the columns `names`, of which the `eligible` ones may hold pictures.

    `InputError` lists them when the recipe names one that is not there, or when they tell too little or too much.
    """
    by_plain = {_plain(name): name for name in reversed(names)}
    original, modified = _of_pictures(eligible, request, where)
    ids = next((each for each in IDS if all(name in by_plain for name in each)), ())
    group, text, split = (
        next((by_plain[name] for name in known if name in by_plain), None) for known in (GROUPS, TEXTS, ("split",))
    )
    return Columns(
        original,
        None if request.blank else modified,
        tuple(by_plain[name] for name in ids),
        group,
        text,
        split,
        {name: by_plain[name] for name in OURS if name in by_plain},
    )


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _of_pictures(eligible: Sequence[str], request: Request, where: object) -> tuple[str, str | None]:
    wanted = request.settings
    for key, name in (("original", wanted.original), ("modified", None if request.blank else wanted.modified)):
        if name is not None and name not in eligible:
            raise InputError(f"{where}: games.ready.{key} is '{name}', {_told(eligible)}")
    if wanted.original is not None and (request.blank or wanted.modified is not None):
        return wanted.original, wanted.modified
    found = [pair for pair in _couples(eligible) if wanted.original in (None, pair[0])]
    found = [pair for pair in found if request.blank or wanted.modified in (None, pair[1])]
    if request.blank and not found:
        return _single(eligible, where), None
    if len(found) != 1:
        several = " and ".join(f"{one} with {other}" for one, other in found)
        problem = f"both {several} could be the pairs" if found else "no two columns are known as original and modified"
        raise InputError(f"{where}: {problem}, {_told(eligible)}")
    return found[0]


def _couples(eligible: Sequence[str]) -> list[tuple[str, str]]:
    by_plain = {_plain(name): name for name in reversed(eligible)}
    return [(by_plain[one], by_plain[other]) for one, other in COUPLES if one in by_plain and other in by_plain]


def _single(eligible: Sequence[str], where: object) -> str:
    found = [name for name in eligible if _plain(name) in SINGLES] or list(eligible)
    if len(found) != 1:
        raise InputError(f"{where}: the column of the pictures cannot be told, {_told(eligible)}")
    return found[0]


def _told(eligible: Sequence[str]) -> str:
    if not eligible:
        return "since no column can hold pictures or paths"
    names = ", ".join(f"'{name}'" for name in eligible)
    return f"of the columns {names}; name them with --set games.ready.original=… and games.ready.modified=…"


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
        hashes=(_ours(row, columns, "original_sha256"), _ours(row, columns, "modified_sha256")),
    )


def _ours(row: Mapping[str, Any], columns: Columns, name: str) -> str | None:
    """A text in one of vz's own columns, if there is any."""
    given = row.get(columns.ours[name]) if name in columns.ours else None
    return given.strip() if isinstance(given, str) and given.strip() else None


def _scene_of(row: Mapping[str, Any], columns: Columns, name: str, where: str) -> Mapping[str, Any] | None:
    """A scene or chart as JSON; text of another kind is not ours, and left alone."""
    text = _ours(row, columns, name)
    if text is None or not text.startswith("{"):
        return None
    scene: Mapping[str, Any] = parse_json(text, f"{where}: '{columns.ours[name]}'", "mend or empty the cell")
    return scene


def _id_of(row: Mapping[str, Any], columns: Columns, otherwise: str, where: str) -> str:
    """The pair's name: that of its row, or `otherwise` where the table names none."""
    parts = [row.get(name) for name in columns.ids]
    if not parts:
        return safe_id(otherwise, where)
    for name, part in zip(columns.ids, parts, strict=True):
        if part is None or not str(part).strip():
            raise InputError(f"{where}: '{name}' is empty; give the pair a name")
    return safe_id("-".join(str(part).strip() for part in parts), where)


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
