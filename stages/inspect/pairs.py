"""Chooses and reads the pairs of a games folder: their pictures, the changes in words, and where they show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from stages.core import tables
from stages.core.changes import Line, change_lines, item_of, scene_of
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.pictures import picture_of
from stages.core.progress import progress_bar
from stages.inspect.outline import Difference, difference

SOME = 3  # pairs that a message names


@dataclass(frozen=True)
class Chosen:
    """Rows of `pairs.parquet`, out of `total`; `how` says how they were chosen."""

    folder: Path
    rows: list[dict[str, Any]]
    total: int
    how: str = ""

    @property
    def share(self) -> str:
        """How many of how many, for a heading."""
        return f"{len(self.rows):,} of {self.total:,} pairs{f', {self.how}' if self.how else ''}"


@dataclass(frozen=True)
class Seen:
    """A pair with its pictures. `modified` is None if the spy sees an empty picture.

    `difference` is None if there is nothing to compare: no second picture, an empty one, or one of another size.
    `places` are the pixel positions of changed objects that the scene locates, by object number.
    """

    row: Mapping[str, Any]
    lines: list[Line]
    places: dict[int, tuple[float, float]]
    original: Image.Image
    modified: Image.Image | None
    difference: Difference | None

    @property
    def is_empty(self) -> bool:
        """Whether the spy sees nothing: no picture at all, or one in a single colour."""
        return self.modified is None or _has_one_colour(self.modified)

    @property
    def looks_equal(self) -> bool:
        """Whether nobody could tell the two pictures apart."""
        return self.difference is not None and not self.difference.boxes


def games_folder(folder: Path) -> Path:
    """The make-games folder behind any output folder: itself, or the one that a run or a stage played."""
    folder = folder.resolve()
    manifest = artifact.manifest_of(folder)
    if manifest["stage"] == "make-games":
        return folder
    if manifest["stage"] == "iterate":
        return _games_of_run(folder)
    for name in ("games", "rollouts", "scored", "kept"):
        if name in manifest["inputs"]:
            return games_folder(artifact.input_of(folder, name))
    raise InputError(f"{folder}: an output of '{manifest['stage']}' has no pairs; give a folder of vz make-games")


def _games_of_run(run: Path) -> Path:
    """The games that the run made itself, or those that its first round played."""
    if (run / "games" / artifact.MANIFEST).is_file():
        return run / "games"
    played = sorted(run.glob(f"round-*/rollouts/{artifact.MANIFEST}"))
    if not played:
        raise InputError(f"{run}: this run has not played a round yet; give its folder of vz make-games")
    return artifact.input_of(played[0].parent, "games")


def choose(folder: Path, limit: int, ids: str | None = None) -> Chosen:
    """The pairs in `ids`, separated by commas; or up to `limit` pairs, spread evenly over the folder."""
    pairs = tables.read(folder / "pairs.parquet", tables.PAIRS)
    if pairs.is_empty():
        raise InputError(f"{folder / 'pairs.parquet'}: holds no pair; make the games again")
    if ids is not None:
        return _named(folder, pairs, ids)
    if len(pairs) <= limit:
        return Chosen(folder, pairs.to_dicts(), len(pairs))
    spread = [place * len(pairs) // limit for place in range(limit)]
    return Chosen(folder, pairs[spread].to_dicts(), len(pairs), "spread evenly")


def _named(folder: Path, pairs: pl.DataFrame, text: str) -> Chosen:
    """The pairs in `text`. An id may contain a comma, so the whole text is tried first."""
    known = pairs["pair_id"]
    ids = [text] if text in known else list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in ids if name not in known]
    if unknown or not ids:
        some = ", ".join(f"'{name}'" for name in unknown[:SOME] or [text])
        raise InputError(f"{folder}: has no pair {some}; its pairs have ids like '{known[0]}'")
    rows = [pairs.row(by_predicate=pl.col("pair_id") == name, named=True) for name in ids]
    return Chosen(folder, rows, len(pairs), "as named")


def look_at(chosen: Chosen) -> Iterator[Seen]:
    """Each pair with its pictures, one by one. `InputError` names a picture that is missing or not the recorded one."""
    with progress_bar("reading pairs", len(chosen.rows)) as progress:
        for row in chosen.rows:
            files = [picture_of(chosen.folder, row, kind) for kind in ("original", "modified")]
            original, modified = (None if file is None else file.load() for file in files)
            assert original is not None
            scene = scene_of(row["scene"])
            lines = change_lines(row["changes"], scene)
            compared = None
            if modified is not None and not _has_one_colour(modified):
                compared = difference(original, modified)
            yield Seen(row, lines, _places(lines, scene, original.size), original, modified, compared)
            progress.advance()


def warnings(equal: Sequence[str]) -> list[str]:
    """A warning about pairs whose pictures do not reveal the spy."""
    some = ", ".join([*equal[:SOME], "…"] if len(equal) > SOME else equal)
    return [f"pairs whose two pictures look the same: {len(equal)} ({some})"] if equal else []


def _has_one_colour(picture: Image.Image) -> bool:
    return all(low == high for low, high in (band.getextrema() for band in picture.convert("RGB").split()))


def _places(lines: Sequence[Line], scene: Mapping[str, Any], size: tuple[int, int]) -> dict[int, tuple[float, float]]:
    places = {}
    for line in lines:
        known = item_of(scene.get("objects"), line.number)
        match known.get("pixel_coords") if isinstance(known, dict) else None:
            case [int() | float() as x, int() | float() as y, *_] if 0 <= x < size[0] and 0 <= y < size[1]:
                places[line.number] = (float(x), float(y))
    return places
