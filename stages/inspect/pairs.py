"""The pairs of a games folder, chosen and read: their pictures, what was changed in words, and where it shows."""

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
from stages.inspect.outline import Difference, Point, difference

NAMED = 3  # pairs that a message names


@dataclass(frozen=True)
class Chosen:
    """Rows of `pairs.parquet` in their order, out of `total`; `how` says how they were chosen."""

    folder: Path
    rows: list[dict[str, Any]]
    total: int
    how: str

    @property
    def share(self) -> str:
        """How many of how many, as a heading says it."""
        return f"{len(self.rows):,} of {self.total:,} pairs{f', {self.how}' if self.how else ''}"


@dataclass(frozen=True)
class Seen:
    """A pair with its pictures read. `modified` is None where the spy sees an empty picture.

    `difference` is None where there is nothing to compare: no second picture, an empty one, or one of another size.
    The centres of its regions are places in `lines`.
    """

    row: Mapping[str, Any]
    lines: list[Line]
    original: Image.Image
    modified: Image.Image | None
    difference: Difference | None

    @property
    def is_empty(self) -> bool:
        """Whether the spy sees nothing: no picture at all, or one in a single colour."""
        return self.modified is None or _in_one_colour(self.modified)

    @property
    def looks_equal(self) -> bool:
        """Whether no eye could tell the two pictures apart."""
        return self.difference is not None and not self.difference.regions


def games_folder(folder: Path) -> Path:
    """The folder of make-games behind any output folder: itself, or what a run or a stage's output was played on."""
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
    """Made within the run, or else known to what its first round played."""
    if (run / "games" / artifact.MANIFEST).is_file():
        return run / "games"
    played = sorted(run.glob(f"round-*/rollouts/{artifact.MANIFEST}"))
    if not played:
        raise InputError(f"{run}: no round of this run is played yet; give its folder of vz make-games")
    return artifact.input_of(played[0].parent, "games")


def named_in(folder: Path, text: str) -> list[str]:
    """The ids in `text`, with commas between them; or the whole text, since an id may have a comma of its own."""
    known = tables.read(folder / "pairs.parquet", tables.PAIRS, ["pair_id"])["pair_id"]
    names = [text] if text in known else [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise InputError("--pairs names no pair; give ids with commas between them")
    return names


def choose(folder: Path, limit: int, ids: Sequence[str] = ()) -> Chosen:
    """The pairs named by `ids`; without any, up to `limit`, spread evenly over the folder."""
    pairs = tables.read(folder / "pairs.parquet", tables.PAIRS)
    if pairs.is_empty():
        raise InputError(f"{folder / 'pairs.parquet'}: holds no pair; make the games again")
    if ids:
        return _named(folder, pairs, list(dict.fromkeys(ids)))
    if len(pairs) <= limit:
        return Chosen(folder, pairs.to_dicts(), len(pairs), "")
    spread = [place * len(pairs) // limit for place in range(limit)]
    return Chosen(folder, pairs[spread].to_dicts(), len(pairs), "spread evenly")


def _named(folder: Path, pairs: pl.DataFrame, ids: list[str]) -> Chosen:
    rows = {row["pair_id"]: row for row in pairs.filter(pl.col("pair_id").is_in(ids)).iter_rows(named=True)}
    unknown = [name for name in ids if name not in rows]
    if unknown:
        some = ", ".join(f"'{name}'" for name in unknown[:NAMED])
        raise InputError(f"{folder}: has no pair {some}; its pairs are named like '{pairs['pair_id'][0]}'")
    return Chosen(folder, [rows[name] for name in ids], len(pairs), "as named")


def look_at(chosen: Chosen) -> Iterator[Seen]:
    """Each pair with its pictures, one after the other. `InputError` names a picture that is missing or another one."""
    for row in chosen.rows:
        files = [picture_of(chosen.folder, row, kind) for kind in ("original", "modified")]
        original, modified = (None if file is None else file.load() for file in files)
        assert original is not None
        scene = scene_of(row["scene"])
        lines = change_lines(row["changes"], scene)
        compared = None
        if modified is not None and not _in_one_colour(modified):
            compared = difference(original, modified, _centres(lines, scene, original.size))
        yield Seen(row, lines, original, modified, compared)


def warned(equal: Sequence[str]) -> list[str]:
    """A warning of the pairs in which nobody could find a spy by looking, if there are any."""
    if not equal:
        return []
    some = ", ".join([*equal[:NAMED], "…"] if len(equal) > NAMED else equal)
    return [f"pairs whose pictures are the same to the eye: {len(equal)} ({some})"]


def _in_one_colour(picture: Image.Image) -> bool:
    bands = picture.convert("RGB").split()
    return all(low == high for low, high in (band.getextrema() for band in bands))


def _centres(lines: Sequence[Line], scene: Mapping[str, Any], size: tuple[int, int]) -> list[Point]:
    """Where the things of `lines` stand, in their order; empty unless the scene tells all their places."""
    found = []
    for line in lines:
        known = item_of(scene.get("objects"), line.number)
        place = known.get("pixel_coords") if isinstance(known, dict) else None
        if not isinstance(place, list) or len(place) < 2 or not all(isinstance(part, int | float) for part in place):
            return []
        if not (0 <= place[0] < size[0] and 0 <= place[1] < size[1]):
            return []
        found.append((float(place[0]), float(place[1])))
    return found
