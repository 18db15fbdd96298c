"""Which columns of a manifest or Parquet file hold what. Known names are used only where they are unambiguous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
SINGLES = ("image", "img", "picture", "photo", "file_name")
IDS = (("pair_id",), ("id",), ("img_id", "turn_index"))  # the last: MagicBrush, several edits of one photo
GROUPS = ("group", "img_id")
TEXTS = ("changes", "instruction", "edit_instruction", "edit_prompt", "prompt", "edit")
OURS = ("domain", "scene", "modified_scene", "original_sha256", "modified_sha256")  # as vz writes and exports them


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

    @property
    def pictures(self) -> list[str]:
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
    by_plain = _by_plain(eligible)
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
