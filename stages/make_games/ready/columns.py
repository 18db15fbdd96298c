"""Finds out which columns of a table hold what. Common names count only if they are unambiguous."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.core.errors import InputError
from stages.make_games.ready.entry import Request

# Original and modified, as data sets name them; case, spaces and hyphens do not matter.
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
LISTS = ("images", "image_paths", "pictures")  # hold the original and the modified picture: TRL, EasyR1, verl, VLM-R1
SINGLES = ("image", "img", "picture", "photo", "file_name")
IDS = (("pair_id",), ("id",), ("img_id", "turn_index"))  # the last: MagicBrush, several edits of one photo
GROUPS = ("group", "img_id")
TEXTS = ("changes", "instruction", "edit_instruction", "edit_prompt", "prompt", "edit")
OURS = ("domain", "scene", "modified_scene", "original_sha256", "modified_sha256")  # as vz writes and exports them

_ITEM = re.compile(r"(?P<column>.+)\[(?P<item>\d+)\]")


@dataclass(frozen=True)
class Spot:
    """Where a table's rows hold a picture: in a column, or in one item (from 0) of its lists."""

    column: str
    item: int | None = None

    def __str__(self) -> str:
        return self.column if self.item is None else f"{self.column}[{self.item}]"

    def of(self, cell: Any, where: str) -> Any:
        """The picture in a cell of the column. Without a named item, a list must hold exactly one."""
        if self.item is None and not isinstance(cell, list):
            return cell
        if not isinstance(cell, list):
            what = "is empty" if cell is None else "is not a list of pictures"
            raise InputError(f"{where}: '{self.column}' {what}; fill it in or remove the row")
        if self.item is None and len(cell) != 1:
            raise InputError(
                f"{where}: '{self.column}' holds {len(cell)} pictures instead of one; choose one with "
                f"--set 'games.ready.original={self.column}[0]', or games.ready.modified"
            )
        item = self.item or 0
        if len(cell) <= item:
            raise InputError(f"{where}: '{self}' is missing, since the list has length {len(cell)}; remove the row")
        return cell[item]


@dataclass(frozen=True)
class Columns:
    """Column names as the file spells them. `modified` is None for a blank spy, the others if the column is missing.

    `ours`: columns that only vz writes, by vz's names for them.
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
        """The spots of the original and, if any, the modified picture."""
        return [self.original] if self.modified is None else [self.original, self.modified]

    @property
    def others(self) -> list[str]:
        """All columns except those of pictures."""
        known = [name for name in (self.group, self.text, self.split) if name]
        return list(dict.fromkeys([*self.ids, *known, *self.ours.values()]))


def choose(eligible: Sequence[str], names: Sequence[str], request: Request, where: object) -> Columns:
    """Chooses among the columns `names` of a table, of which the `eligible` ones may hold pictures.

    `InputError` lists them if the recipe names a missing one, or if the choice is unclear.
    """
    by_plain = _by_plain(names)
    original, modified = _of_pictures(eligible, request, where)
    group, text, split = (
        next((by_plain[name] for name in known if name in by_plain), None) for known in (GROUPS, TEXTS, ("split",))
    )
    ours = {name: by_plain[name] for name in OURS if name in by_plain}
    return Columns(original, None if request.blank else modified, _ids(names, request, where), group, text, split, ours)


def column_of(name: str) -> str:
    """The column that a name in the recipe refers to: `images` for `images[0]`."""
    item = _ITEM.fullmatch(name)
    return item["column"] if item else name


def _ids(names: Sequence[str], request: Request, where: object) -> tuple[str, ...]:
    """The columns that name a pair: the recipe's, else the common ones. Empty: rows are numbered."""
    wanted = request.settings.id
    if wanted is None:
        by_plain = _by_plain(names)
        known = next((each for each in IDS if all(name in by_plain for name in each)), ())
        return tuple(by_plain[name] for name in known)
    if wanted and wanted not in names:
        raise InputError(f"{where}: games.ready.id is '{wanted}', but the columns are {_listed(names)}")
    return (wanted,) if wanted else ()


def _of_pictures(eligible: Sequence[str], request: Request, where: object) -> tuple[Spot, Spot | None]:
    settings = request.settings
    original = _named(settings.original, "original", eligible, where)
    modified = None if request.blank else _named(settings.modified, "modified", eligible, where)
    if original is not None and (request.blank or modified is not None):
        return original, modified
    by_plain = _by_plain(eligible)
    couples = [(Spot(by_plain[a]), Spot(by_plain[b])) for a, b in COUPLES if a in by_plain and b in by_plain]
    found = [pair for pair in couples if original in (None, pair[0]) and modified in (None, pair[1])]
    lists = [name for name in eligible if _plain(name) in LISTS]
    if not found and original is modified is None and len(lists) == 1:
        return Spot(lists[0], 0), Spot(lists[0], 1)
    if request.blank and not found:
        return Spot(_single(eligible, where)), None
    if len(found) != 1:
        several = " and ".join(f"{one} with {other}" for one, other in found)
        problem = f"both {several} could be the pairs" if found else "no columns have known names for a pair's pictures"
        raise InputError(f"{where}: {problem}, {_remedy(eligible)}")
    return found[0]


def _named(name: str | None, key: str, eligible: Sequence[str], where: object) -> Spot | None:
    """The spot that the recipe names: a column, or an item of its lists, such as `images[0]`."""
    if name is None or name in eligible:
        return None if name is None else Spot(name)
    item = _ITEM.fullmatch(name)
    if item is None or item["column"] not in eligible:
        raise InputError(f"{where}: games.ready.{key} is '{name}', {_remedy(eligible)}")
    return Spot(item["column"], int(item["item"]))


def _single(eligible: Sequence[str], where: object) -> str:
    found = [name for name in eligible if _plain(name) in SINGLES] or list(eligible)
    if len(found) != 1:
        raise InputError(f"{where}: it is unclear which column holds the pictures, {_remedy(eligible)}")
    return found[0]


def _by_plain(names: Sequence[str]) -> dict[str, str]:
    """Names as the file spells them, by plain name; the first, if two have the same plain name."""
    return {_plain(name): name for name in reversed(names)}


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _remedy(eligible: Sequence[str]) -> str:
    if not eligible:
        return "since no column can hold pictures or paths"
    return f"of the columns {_listed(eligible)}; name them with --set games.ready.original=… and games.ready.modified=…"
