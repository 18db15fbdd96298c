"""A folder of pairs by name, as the published data sets have them, or of single pictures for a blank spy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stages.core.errors import InputError
from stages.core.files import read_json, sha256_file, sha256_text
from stages.core.recipe import Recipe
from stages.make_games.pair import Made, Pair, Plan, common
from stages.make_games.ready.comparison import read_comparison
from stages.make_games.ready.pictures import rgb_png

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
ORIGINAL, MODIFIED, COMPARISON = "_original", "_modified", "_comparison.json"
PICTURE_FOLDER, SCENE_FOLDER = "replacement_images", "replacement_scenes"  # as in the published data set


@dataclass(frozen=True)
class ReadyPair(Pair):
    """Pictures that exist already; `note` is the published data set's file of what was replaced."""

    original: Path
    modified: Path | None
    note: Path | None

    def make(self) -> Made:
        original = rgb_png(self.original)
        modified = None if self.modified is None else rgb_png(self.modified)
        if original == modified:
            raise InputError(f"{self.modified}: is the same picture as {self.original.name}; leave the pair out")
        if self.note is None:
            return Made(original, modified)
        return Made(original, modified, *read_comparison(read_json(self.note), self.note))


def plan(recipe: Recipe, folder: Path) -> Plan:
    """The first `games.pairs` pairs of the folder, in name order. `InputError` names what is missing."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of pairs")
    pictures = folder / PICTURE_FOLDER if (folder / PICTURE_FOLDER).is_dir() else folder
    files = _pictures_in(pictures)
    blank = recipe.game.spy_view == "blank"
    originals = {stem.removesuffix(ORIGINAL): file for stem, file in files.items() if stem.endswith(ORIGINAL)}
    if blank and not originals:
        originals = files
    if not originals:
        raise InputError(f"{pictures}: holds no picture named <base>{ORIGINAL}.png; name the pairs' pictures so")
    for stem, file in files.items():
        if not blank and stem.endswith(MODIFIED) and stem.removesuffix(MODIFIED) not in originals:
            raise InputError(f"{file}: its counterpart {stem.removesuffix(MODIFIED)}{ORIGINAL}.png is missing")
    chosen = list(originals.items())[: recipe.games.pairs]
    pairs = [
        _ready(recipe, folder, base, file, None if blank else _counterpart(base, file, files)) for base, file in chosen
    ]
    return Plan(pairs, {"folder": folder}, {"pictures": _hash_of(pairs)})


def _hash_of(pairs: list[ReadyPair]) -> str:
    """What the pictures hold; the folder's own hash takes their sizes for it."""
    pictures = [file for pair in pairs for file in (pair.original, pair.modified) if file is not None]
    return sha256_text("\n".join(sha256_file(file) for file in pictures))


def _pictures_in(folder: Path) -> dict[str, Path]:
    """The folder's pictures by name without suffix, in name order."""
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() not in SUFFIXES or file.name.startswith(".") or not file.is_file():
            continue
        if file.stem in files:
            raise InputError(f"{file}: {files[file.stem].name} has the same name but for the suffix; keep one of them")
        files[file.stem] = file
    return files


def _counterpart(base: str, original: Path, files: dict[str, Path]) -> Path:
    if base + MODIFIED not in files:
        raise InputError(
            f"{original}: its counterpart {base}{MODIFIED}.png is missing; add it, or play with game.spy_view=blank"
        )
    return files[base + MODIFIED]


def _ready(recipe: Recipe, folder: Path, base: str, original: Path, modified: Path | None) -> ReadyPair:
    note = folder / SCENE_FOLDER / (base + COMPARISON)
    has_note = modified is not None and note.is_file()
    return ReadyPair(
        **common(recipe, base, f"folder:{folder.resolve().name}", "clevr" if has_note else "photo"),
        original=original,
        modified=modified,
        note=note if has_note else None,
    )
