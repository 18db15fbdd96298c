"""Recognises a place with ready-made pictures, and lists the pairs that it offers.

- `hf:OWNER/NAME[@REVISION][:SPLIT]`: a data set on the hub, downloaded and then read as a folder.
- A folder, read as the first of these that fits: a games folder of vz; the published layout (`replacement_images/`,
  also below another folder, `output/`); two folders: original/ with modified/ or edited/, source/ with target/, before/
  with after/, or images/ with sc_images/ (CLEVR-Change); Parquet or Arrow files; pictures named <base>_original and
  <base>_modified; one table; pictures next to their edited copies (<base>-edited); for a blank spy, pictures.
- A file: a table `.csv`, `.tsv`, `.jsonl`, `.json` or `.parquet`, or for a blank spy one picture. In a folder, a
  `.json` file may be anything, so it counts as a table only if you name it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from stages.core.errors import InputError
from stages.core.folder.content import MANIFEST
from stages.core.folder.files import walk
from stages.core.recipe.games import Domain
from stages.make_games.pair import printable, safe_id
from stages.make_games.ready import hub, tables
from stages.make_games.ready.domains import domain_by_word, domain_of
from stages.make_games.ready.entry import PICTURE_SUFFIXES, Bad, Entry, FilePicture, Found, Offer, Request

PAIRS = "pairs.parquet"  # of a games folder
ORIGINAL, MODIFIED, COMPARISON = "_original", "_modified", "_comparison.json"
PICTURE_FOLDER, SCENE_FOLDER = "replacement_images", "replacement_scenes"  # as in the published data set
CHANGE = ("images", "sc_images")  # of CLEVR-Change, whose file names repeat the folder:
CHANGE_NAMES = ("CLEVR_default_", "CLEVR_semantic_")
EDITS = ("modified", "edited", "edits")
COUPLES = (CHANGE, *((one, other) for one in ("original", "originals") for other in EDITS), ("source", "target"),
           ("before", "after"))  # fmt: skip
# Names that photo programs give to edited copies: `dog-edited`, `dog (edited)`, `IMG_E0042` of IMG_0042.
EDITED = re.compile(r"(.+?)[ _-]*[ _(-](?:edited|edit|modified|bearbeitet)\)?|(.*IMG_)E(\d+)", re.IGNORECASE)
PACKED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
UNREADABLE_SUFFIXES = (".heic", ".heif", ".jxl", ".svg", ".eps", ".psd", ".dng", ".cr2", ".nef", ".arw")
# Folders that network drives, file managers and recycle bins leave next to pictures.
RUBBISH = {"@eadir", "__macosx", "#recycle", "@recycle", "$recycle.bin", "thumbnails", "thumbs", "lost+found"}


def find(where: str, request: Request) -> Found:
    """The pairs of a place. `InputError` says what is wrong and how to fix it."""
    if where.startswith(hub.PREFIX):
        got = hub.fetch(where)
        offers, ignored = _in_folder(got.folder, replace(request, split=got.split, root=got.root))
        domain = domain_by_word(got.name) or domain_of(got.folder)
        return Found(_likely(domain, offers), got.label, got.label, hashed=True, ignored=ignored)
    if not where.strip():
        raise InputError("--from is empty; give a folder of pairs, a table, or hf:OWNER/NAME")
    path = Path(where)
    if path.is_dir():
        offers, ignored = _in_folder(path, request)
        return Found(_likely(domain_of(path), offers), f"folder:{path.resolve().name}", path, ignored=ignored)
    if not path.is_file():
        hint = f"; for a data set on the hub write {hub.PREFIX}{where}" if where.count("/") == 1 else ""
        raise InputError(f"{where}: no such file or folder of pairs{hint}")
    return Found(_likely(domain_of(path), _in_file(path, request)), f"file:{path.name}", path)


def _likely(domain: Domain | None, offers: Iterator[Offer]) -> Iterator[Offer]:
    """The offers, with this likely domain unless the layout gives another."""
    for offer in offers:
        yield replace(offer, likely=offer.likely or domain) if isinstance(offer, Entry) else offer


def _in_folder(place: Path, request: Request) -> tuple[Iterator[Offer], list[str]]:
    """The pairs; and, if pairs are found by file name, the pictures that belong to none."""
    if (place / MANIFEST).is_file() and (place / PAIRS).is_file():  # a games folder of vz; its games are dealt anew
        return tables.offers([place / PAIRS], place, request), []
    published = _published(place)
    couple = None if published else _couple(place)
    arrow = [
        file for file in _files_with(place, *tables.ARROW_SUFFIXES) if not file.name.startswith("cache-")
    ]  # which `datasets` leaves in folders of save_to_disk
    if request.split is not None:
        return tables.offers(_of_split(place, arrow, request.split), place, request), []
    if arrow and not (published or couple):
        return tables.offers(arrow, place, request), []
    has_pairs = any(file.stem.endswith(ORIGINAL) for file in _files_with(place, *PICTURE_SUFFIXES))
    texts = [] if published or couple or has_pairs else _files_with(place, ".csv", ".tsv", ".jsonl")
    if len(texts) == 1:
        return tables.offers(texts, None, request), []
    named = [key for key in ("original", "modified", "id", "pictures") if getattr(request.settings, key) is not None]
    if named:
        raise InputError(
            f"{place}: its pairs are found by file name, so games.ready.{named[0]} has no effect; leave it out, or "
            "give the table itself"
        )
    return (_by_folders(couple, request), []) if couple else _by_name(published or place, request)


def _of_split(place: Path, files: list[Path], split: str) -> list[Path]:
    """The files named `<split>-…` or `<split>.parquet`, or in a folder `<split>`."""
    chosen = [
        file
        for file in files
        if file.stem == split or file.name.startswith(f"{split}-") or split in file.relative_to(place).parts[:-1]
    ]
    if not chosen:
        raise InputError(f"{place}: no Parquet file is named after the split '{split}'; leave the split out")
    return chosen


def _in_file(path: Path, request: Request) -> Iterator[Offer]:
    suffix = path.suffix.lower()
    if suffix in (*tables.TEXT_SUFFIXES, *tables.ARROW_SUFFIXES):
        return tables.offers([path], None, request)
    if suffix in PICTURE_SUFFIXES and request.blank:
        return iter([Entry(safe_id(path.stem), FilePicture(path), None, str(path))])
    if suffix in PICTURE_SUFFIXES:
        raise InputError(f"{path}: one picture is a game only with --set game.spy_view=blank; give a folder of pairs")
    raise InputError(f"{path}: '{suffix}' is not a known kind of table; give a .csv, .tsv, .jsonl, .json or .parquet")


def _published(folder: Path) -> Path | None:
    """The folder of the published layout: `folder`, or the one folder below it (`output/`) that has it."""
    found = sorted(place.parent for place, _ in walk(folder) if place.name == PICTURE_FOLDER)
    if len(found) > 1:
        raise InputError(f"{folder}: both {found[0]} and {found[1]} have {PICTURE_FOLDER}; give one of these folders")
    return found[0] if found else None


def _couple(folder: Path) -> tuple[Path, Path] | None:
    """The two folders of pairs in it, e.g. original/ and modified/."""
    below = {place.name.lower(): place for place in folder.iterdir() if place.is_dir()}
    found = [(below[one], below[other]) for one, other in COUPLES if one in below and other in below]
    if len(found) > 1:
        names = ", ".join(f"{one.name}/ with {other.name}/" for one, other in found)
        raise InputError(f"{folder}: holds {names}; keep only one of these pairs of folders")
    return found[0] if found else None


def _by_name(folder: Path, request: Request) -> tuple[Iterator[Offer], list[str]]:
    """Pairs `<base>_original.*` and `<base>_modified.*`; for a blank spy without such names, every picture.

    Also returns the pictures that are neither, which may have another purpose.
    """
    where = folder / PICTURE_FOLDER if (folder / PICTURE_FOLDER).is_dir() else folder
    files = _pictures_in(where)
    originals = {name.removesuffix(ORIGINAL): file for name, file in files.items() if name.endswith(ORIGINAL)}
    if request.blank and not originals:
        originals = files
    modified = {name.removesuffix(MODIFIED): file for name, file in files.items() if name.endswith(MODIFIED)}
    if not originals:
        modified = {base: file for name, file in files.items() if (base := _unedited(name)) in files}
        originals = {base: files[base] for base in modified}
    if not originals:
        raise _no_pairs(folder, len(files))
    known = {*originals.values(), *modified.values()}
    offers = _paired(originals, modified, request, (where, f"{ORIGINAL}.png"), (where, f"{MODIFIED}.png"))
    if (folder / SCENE_FOLDER).is_dir():
        offers = (_with_note(offer, folder / SCENE_FOLDER) for offer in offers)
    return offers, [printable(name) for name, file in files.items() if file not in known]


def _unedited(name: str) -> str:
    """The name of the picture that this is an edited copy of."""
    hit = EDITED.fullmatch(name)
    return "" if hit is None else hit[1] or hit[2] + hit[3]


def _with_note(offer: Offer, notes: Path) -> Offer:
    if isinstance(offer, Bad):
        return offer
    base = Path(offer.original.name).stem.removesuffix(ORIGINAL)
    note = None if offer.modified is None else notes / (base + COMPARISON)
    return replace(offer, note=note, likely="clevr")


def _no_pairs(folder: Path, pictures: int) -> InputError:
    if pictures:
        return InputError(
            f"{folder}: none of its {pictures} pictures is named <base>{ORIGINAL}.* or has a copy <base>-edited.*; "
            "rename the pairs, put them into folders original/ and modified/, give a table, or play with "
            "--set game.spy_view=blank"
        )
    packed = next((file.name for file in _files_with(folder, *PACKED)), None)
    return InputError(f"{folder}: holds no pictures; " + (f"unpack {packed}" if packed else "give a folder that does"))


def _by_folders(folders: tuple[Path, Path], request: Request) -> Iterator[Offer]:
    """Pairs of pictures with the same name, apart from the suffix, one in each folder."""
    one, other = (_pictures_in(folder) for folder in folders)
    if not one:
        raise InputError(f"{folders[0]}: holds no pictures")
    other = {
        base if name not in one and (base := _unedited(name)) in one else name: file for name, file in other.items()
    }
    offers = _paired(one, other, request, *((folder, ".*") for folder in folders))
    return _likely("clevr", offers) if tuple(folder.name for folder in folders) == CHANGE else offers


def _paired(
    one: Mapping[str, Path], other: Mapping[str, Path], request: Request, *places: tuple[Path, str]
) -> Iterator[Offer]:
    """The pairs by name; for a blank spy, the originals. `places`: the folder and name ending of each picture."""
    if request.blank:
        for base, original in one.items():
            yield Entry(safe_id(base), FilePicture(original), None, str(original))
        return
    for base in {**one, **other}:
        if base in one and base in other:
            yield Entry(safe_id(base), FilePicture(one[base]), FilePicture(other[base]), str(one[base]))
            continue
        here, (folder, end) = (one[base], places[1]) if base in one else (other[base], places[0])
        yield Bad(
            safe_id(base), f"{here}: its counterpart {folder / f'{base}{end}'} is missing; add it", "no counterpart"
        )


def _pictures_in(folder: Path) -> dict[str, Path]:
    """The pictures in a folder and below, by name without suffix (`cats/1.jpg` is `cats-1`), in name order.

    CLEVR-Change's file names repeat the folder; without that, both pictures of a pair have one name.
    """
    files: dict[str, Path] = {}
    for file in _files_with(folder, *PICTURE_SUFFIXES, *UNREADABLE_SUFFIXES):
        name = "-".join(file.relative_to(folder).with_suffix("").parts)
        start = next((start for start in CHANGE_NAMES if folder.name in CHANGE and name.startswith(start)), None)
        name = f"CLEVR_{name.removeprefix(start)}" if start else name
        if name in files:
            raise InputError(f"{file}: {files[name]} gives the same name, '{name}'; rename one of them")
        files[name] = file
    return files


def _files_with(folder: Path, *suffixes: str) -> list[Path]:
    """The files with one of the suffixes in a folder and below, in name order, without programs' rubbish folders."""
    return sorted(
        place / name
        for place, names in walk(folder)
        if not RUBBISH.intersection(part.lower() for part in place.relative_to(folder).parts)
        for name in names
        if Path(name).suffix.lower() in suffixes
    )
