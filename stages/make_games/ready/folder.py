"""Folders of pictures: pairs by file name, pairs by two folders, or single pictures for a blank spy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from stages.core.errors import InputError
from stages.core.folder.files import walk
from stages.make_games.pair import printable, safe_id
from stages.make_games.ready.entry import PICTURE_SUFFIXES, Entry, FilePicture, Request

ORIGINAL, MODIFIED, COMPARISON = "_original", "_modified", "_comparison.json"
PICTURE_FOLDER, SCENE_FOLDER = "replacement_images", "replacement_scenes"  # as in the published data set
CHANGE = ("images", "sc_images")  # of CLEVR-Change, whose names tell the folder too:
CHANGE_NAMES = {"CLEVR_default_": "CLEVR_", "CLEVR_semantic_": "CLEVR_"}
COUPLES = (CHANGE, ("original", "modified"), ("original", "edited"), ("source", "target"), ("before", "after"))
PACKED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
UNREADABLE_SUFFIXES = (".heic", ".heif", ".jxl", ".svg", ".eps", ".psd", ".dng", ".cr2", ".nef", ".arw")


def published(folder: Path) -> Path | None:
    """Where the published layout lies: `folder`, or the one folder below it (`output/`) that has it."""
    found = [place.parent for place in _folders_below(folder) if place.name == PICTURE_FOLDER]
    if len(found) > 1:
        raise InputError(f"{folder}: {PICTURE_FOLDER} lies in {found[0]} and in {found[1]}; give one of these folders")
    return found[0] if found else None


def couple(folder: Path) -> tuple[Path, Path] | None:
    """The two folders of pairs in it, e.g. original/ and modified/."""
    found = [(folder / one, folder / other) for one, other in COUPLES if _are_there(folder, one, other)]
    if len(found) > 1:
        names = ", ".join(f"{one.name}/ with {other.name}/" for one, other in found)
        raise InputError(f"{folder}: holds {names}; keep one of these couples of folders")
    return found[0] if found else None


def has_pairs(folder: Path) -> bool:
    """Whether any picture is named as the original of a pair."""
    return any(file.stem.endswith(ORIGINAL) for file in files_with(folder, *PICTURE_SUFFIXES))


def by_name(folder: Path, request: Request) -> tuple[Iterator[Entry], list[str]]:
    """Pairs `<base>_original.*` and `<base>_modified.*`; for a blank spy without such names, every picture.

    Also the pictures that are neither, which may be meant for something else.
    """
    where = folder / PICTURE_FOLDER if (folder / PICTURE_FOLDER).is_dir() else folder
    files = pictures_in(where)
    originals = {name.removesuffix(ORIGINAL): file for name, file in files.items() if name.endswith(ORIGINAL)}
    if request.blank and not originals:
        originals = files
    if not originals:
        raise _no_pairs(folder, len(files))
    modified = {name.removesuffix(MODIFIED): file for name, file in files.items() if name.endswith(MODIFIED)}
    known = {*originals.values(), *modified.values()}
    entries = _paired(originals, modified, request, (where, f"{ORIGINAL}.png"), (where, f"{MODIFIED}.png"))
    if (folder / SCENE_FOLDER).is_dir():
        entries = (_noted(entry, folder / SCENE_FOLDER) for entry in entries)
    return entries, [printable(name) for name, file in files.items() if file not in known]


def _noted(entry: Entry, notes: Path) -> Entry:
    note = None if entry.modified is None else notes / (entry.pair_id + COMPARISON)
    return replace(entry, note=note, likely="clevr")


def _no_pairs(folder: Path, pictures: int) -> InputError:
    if pictures:
        return InputError(
            f"{folder}: none of its {pictures} pictures is named <base>{ORIGINAL}.*; name the pairs so, put them "
            "into the folders original/ and modified/, give a manifest, or play with --set game.spy_view=blank"
        )
    packed = next((file.name for file in files_with(folder, *PACKED)), None)
    return InputError(f"{folder}: holds no pictures; " + (f"unpack {packed}" if packed else "give a folder that does"))


def by_folders(folders: tuple[Path, Path], request: Request) -> Iterator[Entry]:
    """Pairs of pictures with the same name but for the suffix, one in each folder."""
    one, other = (_renamed(pictures_in(folder)) for folder in folders)
    if not one:
        raise InputError(f"{folders[0]}: holds no pictures")
    entries = _paired(one, other, request, *((folder, ".*") for folder in folders))
    if tuple(folder.name for folder in folders) == CHANGE:
        entries = (replace(entry, likely="clevr") for entry in entries)
    return entries


def pictures_in(folder: Path) -> dict[str, Path]:
    """The pictures in a folder and below, by name without suffix (`cats/1.jpg` is `cats-1`), in name order.

    Other files are no pictures and left alone. Those of `UNREADABLE_SUFFIXES` are: a pair that needs one is refused.
    """
    files: dict[str, Path] = {}
    for file in _files_below(folder):
        if file.suffix.lower() not in PICTURE_SUFFIXES + UNREADABLE_SUFFIXES:
            continue
        if not file.exists():
            raise InputError(f"{file}: is a link to a file that is gone; put it back or remove the link")
        name = "-".join(file.relative_to(folder).with_suffix("").parts)
        if name in files:
            raise InputError(f"{file}: {files[name]} gives the same name, '{name}'; rename one of them")
        files[name] = file
    return files


def files_with(folder: Path, *suffixes: str) -> list[Path]:
    """The files with one of the suffixes in a folder and below, in name order."""
    return [file for file in _files_below(folder) if file.suffix.lower() in suffixes]


def _files_below(folder: Path) -> list[Path]:
    return sorted(place / name for place, names in walk(folder) for name in names)


def _folders_below(folder: Path) -> list[Path]:
    """The folder itself and all in it."""
    return sorted(place for place, _ in walk(folder))


def _are_there(folder: Path, *names: str) -> bool:
    return all((folder / name).is_dir() for name in names)


def _renamed(files: Mapping[str, Path]) -> dict[str, Path]:
    """CLEVR-Change names its folders in its files; without that both pictures of a pair are named alike."""
    renamed: dict[str, Path] = {}
    for name, file in files.items():
        start = next((start for start in CHANGE_NAMES if name.startswith(start)), "")
        base = CHANGE_NAMES.get(start, "") + name.removeprefix(start)
        if base in renamed:
            raise InputError(f"{file}: {renamed[base]} gives the same name, '{base}'; move one of them away")
        renamed[base] = file
    return renamed


def _paired(
    one: Mapping[str, Path], other: Mapping[str, Path], request: Request, *places: tuple[Path, str]
) -> Iterator[Entry]:
    """The pairs by name; for a blank spy the originals. `places`: folder and end of name that each picture has.

    What has no counterpart is an `InputError`; where such pairs are to be dropped, it comes with a path to nothing.
    """
    strict = request.settings.unusable == "error"
    if request.blank:
        for base, original in one.items():
            yield Entry(safe_id(base, str(original)), _picture(original, strict), None, str(original))
        return
    for base in {**one, **other}:
        original, changed = (
            found.get(base, folder / f"{base}{end}") for found, (folder, end) in zip((one, other), places, strict=True)
        )
        if strict and not (base in one and base in other):
            here, missing = (original, changed) if base in one else (changed, original)
            raise InputError(
                f"{here}: its counterpart {missing} is missing; add it, drop all such pairs with --set "
                "games.ready.unusable=drop, or play with --set game.spy_view=blank"
            )
        both = _picture(original, strict), _picture(changed, strict)
        yield Entry(safe_id(base, str(original)), *both, str(original))


def _picture(file: Path, strict: bool) -> FilePicture:
    if strict and file.suffix.lower() in UNREADABLE_SUFFIXES:
        raise InputError(
            f"{file}: {file.suffix.lower()} pictures cannot be read; save it as PNG or JPEG, or move it away"
        )
    return FilePicture(file)
