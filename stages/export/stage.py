"""From a games folder to a data set in the form that the Hugging Face hub and `datasets` read as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.errors import InputError, require
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.folder.files import write_text
from stages.core.progress import progress_bar
from stages.export.card import About, card
from stages.export.shards import Row, Written, write_split

SPLITS = {"train": "train", "dev": "validation", "test": "test"}  # by what the hub calls them
SHARD_BYTES = 500_000_000  # of one Parquet file, as the hub recommends
LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


def run(
    games: Path,
    out: Path,
    *,
    license: str | None = None,
    shard_bytes: int = SHARD_BYTES,
    overwrite: bool = False,
) -> Report:
    """Write the pairs of `games` as Parquet with the pictures inside, a split a set of files, and a card.

    `license` is the identifier that the hub knows it by. `InputError` names a picture that is missing or not the one in
    the table. Not more than a row group of pictures is held in memory.
    """
    _check_license(license)
    require("datasets", "train")

    def make(work: Path) -> Outcome:
        manifest = artifact.manifest_of(games, "make-games")
        pairs = tables.read(games / "pairs.parquet", tables.PAIRS)
        splits = _write(pairs, games, work / "data", shard_bytes)
        rows = pairs.to_dicts()
        write_text(work / "README.md", card(About(rows, manifest, splits, license, _skipped(games))))
        return _outcome(rows, splits, license)

    return artifact.produce(
        out,
        stage="export",
        settings={"to": "hf-dataset", "license": license, "shard_bytes": shard_bytes},
        inputs={"games": games},
        make=make,
        overwrite=overwrite,
    )


def upload_command(out: Path) -> str:
    """What puts the folder on the hub."""
    return f"hf upload OWNER/NAME {out} . --repo-type dataset"


def _check_license(name: str | None) -> None:
    if name is not None and not LICENSE.fullmatch(name):
        raise InputError(f"--license {name}: give the hub's identifier, like apache-2.0, cc-by-4.0, mit or other")


def _write(pairs: pl.DataFrame, games: Path, out: Path, shard_bytes: int) -> dict[str, Written]:
    """Every split that has pairs, by its name on the hub."""
    unknown = pairs.filter(~pl.col("split").is_in(list(SPLITS)))
    if len(unknown):
        pair_id, split = unknown.select("pair_id", "split").row(0)
        raise InputError(f"{games / 'pairs.parquet'}: pair '{pair_id}' is in split '{split}'; make the games again")
    out.mkdir()
    written = {}
    with progress_bar("exporting pairs", len(pairs)) as progress:
        for split, name in SPLITS.items():
            rows = pairs.filter(pl.col("split") == split).to_dicts()
            if rows:
                written[name] = write_split(rows, games, out, name, shard_bytes=shard_bytes, progress=progress)
    return written


def _skipped(games: Path) -> list[Row]:
    path = games / "skipped.parquet"
    return list(tables.read(path, tables.SKIPPED).to_dicts()) if path.is_file() else []


def _outcome(rows: Sequence[Row], splits: dict[str, Written], license: str | None) -> Outcome:
    counts: dict[str, Any] = {
        "pairs": len(rows),
        "pictures": sum(1 + (row["modified"] is not None) for row in rows),
        "split": {name: made.rows for name, made in splits.items()},
        "files": sum(made.files for made in splits.values()),
        "bytes": sum(made.file_bytes for made in splits.values()),
    }
    warnings = [] if license else ["the card says that the license is unknown; name it with --license"]
    return Outcome(counts, warnings)
