"""What a place with ready pictures is, told from what lies there; and the pairs that it offers.

- `hf:OWNER/NAME[@REVISION][:SPLIT]`: a data set of the hub, downloaded and then read as a folder.
- A folder, the first that fits: a games folder of vz; the published layout (`replacement_images/`, also below another
  folder, `output/`); two folders: original/ with modified/ or edited/, source/ with target/, before/ with after/, or
  images/ with sc_images/ (CLEVR-Change); Parquet files; pictures named <base>_original and <base>_modified; one
  manifest; for a blank spy, pictures.
- A file: a manifest `.csv`, `.tsv`, `.jsonl` or `.json`, `.parquet` with paths or pictures, or for a blank spy one
  picture. In a folder, a `.json` file may be anything, so it counts as a manifest only where you name it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from stages.core.errors import InputError
from stages.core.folder.content import MANIFEST
from stages.core.recipe.games import Domain
from stages.make_games.pair import safe_id
from stages.make_games.ready import folder, hub, manifest, parquet
from stages.make_games.ready.domains import domain_by_word, domain_of
from stages.make_games.ready.entry import PICTURE_SUFFIXES, Entry, FilePicture, Found, Request

MANIFESTS = (".csv", ".tsv", ".jsonl")
PAIRS = "pairs.parquet"  # of a games folder
ARROW_INFO = "dataset_info.json"  # beside the Arrow files of `datasets.save_to_disk`


def find(where: str, request: Request) -> Found:
    """The pairs of a place. `InputError` names what is off and what would be right."""
    if where.startswith(hub.PREFIX):
        return _on_the_hub(where, request)
    if not where.strip():
        raise InputError("--from is empty; give a folder of pairs, a manifest or Parquet file, or hf:OWNER/NAME")
    path = Path(where)
    if path.is_dir():
        entries, ignored = _in_folder(path, request)
        return Found(_of(domain_of(path), entries), f"folder:{path.resolve().name}", path, ignored=ignored)
    if not path.is_file():
        hint = f"; for a data set of the hub write {hub.PREFIX}{where}" if where.count("/") == 1 else ""
        raise InputError(f"{where}: no such file or folder of pairs{hint}")
    return Found(_of(domain_of(path), _in_file(path, request)), f"file:{path.name}", path)


def _of(domain: Domain | None, entries: Iterator[Entry]) -> Iterator[Entry]:
    """The entries, of that domain where neither a row nor the layout tells another."""
    return (entry if entry.likely or domain is None else replace(entry, likely=domain) for entry in entries)


def _on_the_hub(where: str, request: Request) -> Found:
    got = hub.fetch(where)
    entries, ignored = _in_folder(got.folder, replace(request, split=got.split, root=got.root))
    domain = domain_by_word(got.name) or domain_of(got.folder)
    return Found(_of(domain, entries), got.label, got.label, hashed=True, ignored=ignored)


def _in_folder(place: Path, request: Request) -> tuple[Iterator[Entry], list[str]]:
    """The pairs, and the pictures that belong to none where pairs are told by the names of files."""
    if request.split is not None:
        return parquet.entries(_of_split(place, request.split), place, request), []
    if (place / MANIFEST).is_file() and (place / PAIRS).is_file():  # a games folder of vz, whose games are dealt anew
        return parquet.entries([place / PAIRS], place, request), []
    published = folder.published(place)
    if published is not None:
        _refuse_columns(published, request)
        return folder.by_name(published, request)
    couple = folder.couple(place)
    if couple is not None:
        _refuse_columns(place, request)
        return folder.by_folders(couple, request), []
    files = folder.files_with(place, ".parquet")
    if files:
        return parquet.entries(files, place, request), []
    tables = [] if folder.has_pairs(place) else folder.files_with(place, *MANIFESTS)
    if len(tables) == 1:
        return manifest.entries(tables[0], request), []
    _refuse_arrow(place)
    _refuse_columns(place, request)
    return folder.by_name(place, request)


def _refuse_arrow(place: Path) -> None:
    """`InputError` for what `datasets.save_to_disk` writes, with the command that makes Parquet of it."""
    parts = [file.parent for file in folder.files_with(place, ".arrow") if (file.parent / ARROW_INFO).is_file()]
    if parts:
        copies = f"{place.resolve().name}-parquet"
        command = (
            f"import datasets, pathlib; out = pathlib.Path({copies!r}); out.mkdir(exist_ok=True); "
            f"data = datasets.load_from_disk({str(place)!r}); "
            'parts = data if isinstance(data, dict) else {"data": data}; '
            '[part.to_parquet(out / f"{name}.parquet") for name, part in parts.items()]'
        )
        raise InputError(
            f"{place}: is a data set as `save_to_disk` writes it; write it as Parquet, and give --from {copies}: "
            f"python -c {shlex.quote(command)}"
        )


def _refuse_columns(place: Path, request: Request) -> None:
    """`InputError` when settings name columns, or where a table's paths lead: they would be without effect here."""
    named = [key for key in ("original", "modified", "id", "pictures") if getattr(request.settings, key) is not None]
    if named:
        raise InputError(
            f"{place}: its pairs are told by the names of files, so games.ready.{named[0]} says nothing; leave it out, "
            "or give the manifest itself"
        )


def _of_split(place: Path, split: str) -> list[Path]:
    """Parquet files named `<split>-…` or `<split>.parquet`, or in a folder `<split>`."""
    files = folder.files_with(place, ".parquet")
    chosen = [
        file
        for file in files
        if file.stem == split or file.name.startswith(f"{split}-") or split in file.relative_to(place).parts[:-1]
    ]
    if not chosen:
        raise InputError(f"{place}: no Parquet file is named after the split '{split}'; leave the split out")
    return chosen


def _in_file(path: Path, request: Request) -> Iterator[Entry]:
    suffix = path.suffix.lower()
    if suffix in (*MANIFESTS, ".json"):
        return manifest.entries(path, request)
    if suffix == ".parquet":
        return parquet.entries([path], None, request)
    if suffix in PICTURE_SUFFIXES and request.blank:
        return iter([Entry(safe_id(path.stem, str(path)), FilePicture(path), None, str(path))])
    if suffix in PICTURE_SUFFIXES:
        raise InputError(f"{path}: one picture is a game only with --set game.spy_view=blank; give a folder of pairs")
    raise InputError(
        f"{path}: '{suffix}' is no kind of manifest that is known; give a .csv, .tsv, .jsonl, .json or .parquet"
    )
