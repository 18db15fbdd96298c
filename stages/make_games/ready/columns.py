"""Which columns of a manifest or Parquet file hold what. Known names are used only where they are unambiguous."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.core.errors import InputError
from stages.make_games.ready.entry import Request

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
LISTS = ("images", "image_paths", "pictures")  # of the original and the modified picture: TRL, EasyR1, verl
SINGLES = ("image", "img", "picture", "photo", "file_name")
KEYS = ("original", "modified")  # the settings that name a pair's columns
IDS = (("pair_id",), ("id",), ("img_id", "turn_index"))  # the last: MagicBrush, several edits of one photo
GROUPS = ("group", "img_id")
TEXTS = ("changes", "instruction", "edit_instruction", "edit_prompt", "prompt", "edit")
OURS = ("domain", "scene", "modified_scene", "original_sha256", "modified_sha256")  # as vz writes and exports them

_ITEM = re.compile(r"(?P<column>.+)\[(?P<item>\d+)\]")


@dataclass(frozen=True)
class Spot:
    """Where the rows of a table hold a picture: in a column, or in one item (from 0) of the lists in it.

    `length` is how many pictures a list must hold; None: any number, since the recipe names the item.
    """

    column: str
    item: int | None = None
    length: int | None = 1

    def __str__(self) -> str:
        return self.column if self.item is None else f"{self.column}[{self.item}]"

    def of(self, cell: Any, where: str) -> Any:
        """The picture in a cell of the column. `InputError` for a list of another length."""
        if self.item is None and not isinstance(cell, list):
            return cell
        if not isinstance(cell, list):
            what = "is empty" if cell is None else "is no list of pictures"
            raise InputError(f"{where}: '{self.column}' {what}; fill it in or remove the row")
        least = (self.item or 0) + 1
        if len(cell) < least or self.length not in (None, len(cell)):
            held = "1 picture" if len(cell) == 1 else f"{len(cell)} pictures"
            wanted = f"at least {least}" if self.length is None else self.length
            raise InputError(f"{where}: '{self.column}' holds {held}, and {wanted} must be there; {self._remedy(cell)}")
        return cell[self.item or 0]

    def _remedy(self, cell: list[Any]) -> str:
        if self.length is None or len(cell) < 2:
            return "remove the row"
        original, modified = (f"--set 'games.ready.{key}={self.column}[{n}]'" for n, key in enumerate(KEYS))
        return f"remove the row, or say which of them are meant, such as {original} {modified}"


@dataclass(frozen=True)
class Columns:
    """Names of columns as the file spells them; `modified` is None for a blank spy, the others where there is none.

    `ours`: by vz's own names, those of what vz alone writes.
    """

    original: Spot
    modified: Spot | None
    ids: tuple[str, ...]
    group: str | None
    text: str | None
    split: str | None
    ours: Mapping[str, str]

    @property
    def pictures(self) -> list[Spot]:
        """The original's and, if there is one, the modified picture's."""
        return [self.original] if self.modified is None else [self.original, self.modified]

    def others(self) -> list[str]:
        """All but those of pictures."""
        known = [name for name in (self.group, self.text, self.split) if name]
        return list(dict.fromkeys([*self.ids, *known, *self.ours.values()]))


def choose(eligible: Sequence[str], names: Sequence[str], request: Request, where: object) -> Columns:
    """The columns of a table with the columns `names`, of which the `eligible` ones may hold pictures.

    `InputError` lists them when the recipe names one that is not there, or when they tell too little or too much.
    """
    by_plain = _by_plain(names)
    original, modified = _of_pictures(eligible, request, where)
    group, text, split = (
        next((by_plain[name] for name in known if name in by_plain), None) for known in (GROUPS, TEXTS, ("split",))
    )
    return Columns(
        original,
        None if request.blank else modified,
        _ids(names, request, where),
        group,
        text,
        split,
        {name: by_plain[name] for name in OURS if name in by_plain},
    )


def _ids(names: Sequence[str], request: Request, where: object) -> tuple[str, ...]:
    """The columns that name a pair: that of the recipe, else known ones; none: its rows are numbered."""
    wanted = request.settings.id
    if wanted is None:
        by_plain = _by_plain(names)
        known = next((each for each in IDS if all(name in by_plain for name in each)), ())
        return tuple(by_plain[name] for name in known)
    if wanted and wanted not in names:
        told = ", ".join(f"'{name}'" for name in names)
        raise InputError(f"{where}: games.ready.id is '{wanted}', but the columns are {told}")
    return (wanted,) if wanted else ()


def _by_plain(names: Sequence[str]) -> dict[str, str]:
    """As the file spells them, by how they are known; of two that are known alike the first."""
    return {_plain(name): name for name in reversed(names)}


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _of_pictures(eligible: Sequence[str], request: Request, where: object) -> tuple[Spot, Spot | None]:
    settings = request.settings
    original = _spot(settings.original, "original", eligible, where)
    modified = None if request.blank else _spot(settings.modified, "modified", eligible, where)
    if original is not None and (request.blank or modified is not None):
        return original, modified
    found = [pair for pair in _couples(eligible) if original in (None, pair[0])]
    found = [pair for pair in found if request.blank or modified in (None, pair[1])]
    if request.blank and not found:
        return Spot(_single(eligible, where)), None
    lists = [name for name in eligible if _plain(name) in LISTS]
    if not found and original is modified is None and len(lists) == 1:
        return Spot(lists[0], 0, 2), Spot(lists[0], 1, 2)
    if len(found) != 1:
        several = " and ".join(f"{one} with {other}" for one, other in found)
        problem = f"both {several} could be the pairs" if found else "no two columns are known as original and modified"
        raise InputError(f"{where}: {problem}, {_told(eligible)}")
    return found[0]


def _spot(name: str | None, key: str, eligible: Sequence[str], where: object) -> Spot | None:
    """What the recipe names: a column, or an item of the lists in one, such as `images[0]`."""
    if name is None or name in eligible:
        return None if name is None else Spot(name)
    item = _ITEM.fullmatch(name)
    if item is None or item["column"] not in eligible:
        raise InputError(f"{where}: games.ready.{key} is '{name}', {_told(eligible)}")
    return Spot(item["column"], int(item["item"]), None)


def column_of(name: str) -> str:
    """The column of a name in the recipe: `images` of `images[0]`."""
    item = _ITEM.fullmatch(name)
    return item["column"] if item else name


def _couples(eligible: Sequence[str]) -> list[tuple[Spot, Spot]]:
    by_plain = _by_plain(eligible)
    known = [(one, other) for one, other in COUPLES if one in by_plain and other in by_plain]
    return [(Spot(by_plain[one]), Spot(by_plain[other])) for one, other in known]


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
