"""From a games folder to a data set in a form that the Hugging Face hub and `datasets` read directly."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.errors import InputError, require
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.folder.files import write_text
from stages.core.progress import progress_bar
from stages.export.card import About, card
from stages.export.shards import Written, write_split

SPLITS = {"train": "train", "dev": "validation", "test": "test"}  # vz's names, and the hub's
SHARD_BYTES = 500_000_000  # of one Parquet file, as the hub recommends
LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")


def run(
    games: Path, out: Path, *, license: str | None = None, shard_bytes: int = SHARD_BYTES, overwrite: bool = False
) -> Report:
    """Write the pairs of `games` as Parquet files with the pictures inside, some for each split, and a card.

    `license` is the hub's identifier. `InputError` names a picture that is missing or not the one in the table. At most
    one row group of pictures is held in memory.
    """
    if license is not None and not LICENSE.fullmatch(license):
        raise InputError(f"--license {license}: give the hub's identifier, like apache-2.0, cc-by-4.0, mit or other")
    require("datasets", "train")
    try:
        manifest = artifact.manifest_of(games, "make-games")
    except InputError as error:
        raise InputError(f"{error}; for a run or a checkpoint, add --to model") from error

    def make(work: Path) -> Outcome:
        pairs = tables.read(games / "pairs.parquet", tables.PAIRS)
        splits = _write(pairs, games, work / "data", shard_bytes)
        path = games / "skipped.parquet"
        skipped = tables.read(path, tables.SKIPPED).to_dicts() if path.is_file() else []
        write_text(work / "README.md", card(About(pairs.to_dicts(), manifest, splits, license, skipped)))
        return _outcome(pairs, splits, license)

    return artifact.produce(
        out,
        stage="export",
        settings={"to": "hf-dataset", "license": license, "shard_bytes": shard_bytes},
        inputs={"games": games},
        make=make,
        overwrite=overwrite,
    )


def _write(pairs: pl.DataFrame, games: Path, out: Path, shard_bytes: int) -> dict[str, Written]:
    """Write every split that has pairs. The result is keyed by the hub's names."""
    unknown = pairs.filter(~pl.col("split").is_in(list(SPLITS)))
    if len(unknown):
        pair_id, split = unknown.select("pair_id", "split").row(0)
        raise InputError(f"{games / 'pairs.parquet'}: pair '{pair_id}' is in split '{split}'; make the games again")
    out.mkdir()
    written = {}
    with progress_bar("exporting pairs", len(pairs)) as progress:
        for split, name in SPLITS.items():
            rows = pairs.filter(split=split).to_dicts()
            if rows:
                written[name] = write_split(rows, games, out, name, shard_bytes=shard_bytes, progress=progress)
    return written


def _outcome(pairs: pl.DataFrame, splits: dict[str, Written], license: str | None) -> Outcome:
    counts = {
        "pairs": len(pairs),
        "pictures": 2 * len(pairs) - pairs["modified"].null_count(),
        "split": {name: made.rows for name, made in splits.items()},
        "files": sum(made.files for made in splits.values()),
        "bytes": sum(made.file_bytes for made in splits.values()),
    }
    return Outcome(counts, [] if license else ["the card says that the license is unknown; state it with --license"])
