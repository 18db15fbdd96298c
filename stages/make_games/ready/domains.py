"""What ready-made pictures show, as far as the name or layout of their place says."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from stages.core.folder.files import walk
from stages.core.recipe.games import Domain

# Words in the names of folders, files and data sets, and full names of published ones.
_WORDS: dict[str, Domain] = {"chart": "chart", "charts": "chart", "chartqa": "chart", "plotqa": "chart"}
_WORDS |= {"clevr": "clevr", "photo": "photo", "photos": "photo", "imgedit": "photo", "magicbrush": "photo"}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+")
# Names that say what a part is for, not what it shows; for these, the parent folder decides.
_PARTS = {"train", "dev", "val", "valid", "validation", "test"}
_PARTS |= {"data", "dataset", "output", "png", "image", "images", "snapshots"}
_COMMIT = re.compile(r"[0-9a-f]{40}")  # names a data set in the hub's cache
_CHART_QA = {"png", "tables"}  # sibling folders in ChartQA: the pictures, and the table behind each


def domain_of(place: Path) -> Domain | None:
    """What the pictures of a folder or file show; None if unknown."""
    return _by_name(place.resolve()) or ("chart" if _is_chart_qa(place) else None)


def domain_by_word(name: str) -> Domain | None:
    """What the pictures of a data set with this name show; None if the name does not say."""
    words = [word.lower() for word in (*_WORD.findall(name), *re.split(r"[\W\d_]+", name))]
    return next((_WORDS[word] for word in words if word in _WORDS), None)


def _by_name(place: PurePath) -> Domain | None:
    for part in (place, *place.parents):
        found = domain_by_word(part.stem)
        if found is not None:
            return found
        if part.stem.lower() not in _PARTS and not _COMMIT.fullmatch(part.name):
            return None
    return None


def _is_chart_qa(place: Path) -> bool:
    """Whether a folder of charts and a folder of their tables are siblings: in the folder, below or around it."""
    below = [folder for folder, _ in walk(place)] if place.is_dir() else []
    return any(all((folder / name).is_dir() for name in _CHART_QA) for folder in (place.parent, *below))
