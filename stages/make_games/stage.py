"""From a recipe, given scenes or ready pictures to a folder of pairs with a game dealt on each."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.core import artifact, tables
from stages.core.artifact import Outcome, Report
from stages.core.clevr.rendering import check_installed
from stages.core.files import sha256_file, sha256_text
from stages.core.game.rules import deal
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.make_games.making import IMAGES, NOTES, Row, finished, row_of
from stages.make_games.pool import make_all
from stages.make_games.sources import plan
from stages.make_games.tasks import ReadyPair, Task


def run(
    recipe: Recipe,
    out: Path,
    *,
    scenes: Path | None = None,
    folder: Path | None = None,
    overwrite: bool = False,
    processes: int | None = None,
) -> Report:
    """Make the pairs of `recipe.games` and deal a first game on each.

    `scenes`: genuine CLEVR scenes (a file, merged or single, or a folder) instead of drawn ones; their pictures have
    the size that the scenes' pixel coordinates tell. `folder`: ready pairs, `<base>_original.png` with
    `<base>_modified.png`, perhaps in the published data set's subfolders. `processes` overrides the recipe's.
    """
    tasks = plan(recipe, scenes, folder)
    count = recipe.games.processes if processes is None else processes

    def make(work: Path) -> Outcome:
        before, seconds = _make_pairs(tasks, work, count)
        rows = [row_of(work, task) for task in tasks]
        _write_tables(rows, recipe, work)
        shutil.rmtree(work / NOTES)
        return _outcome(rows, before, seconds)

    return artifact.produce(
        out,
        stage="make-games",
        settings=_settings(recipe, tasks),
        inputs={name: path for name, path in (("scenes", scenes), ("folder", folder)) if path is not None},
        make=make,
        overwrite=overwrite,
        resumable=True,
    )


def _settings(recipe: Recipe, tasks: Sequence[Task]) -> dict[str, Any]:
    """What decides the bytes that are written; the number of processes does not."""
    settings: dict[str, Any] = {
        "seed": recipe.seed,
        "games": recipe.games.model_dump(mode="json", exclude={"processes"}),
        "game": recipe.game.model_dump(mode="json", include={"players", "clue_rounds", "spy_view"}),
    }
    ready = [task for task in tasks if isinstance(task, ReadyPair)]
    pictures = [file for task in ready for file in (task.original, task.modified) if file is not None]
    if pictures:
        settings["pictures"] = sha256_text("\n".join(sha256_file(file) for file in pictures))
    return settings


def _make_pairs(tasks: Sequence[Task], work: Path, processes: int) -> tuple[int, float]:
    """Make what is not there yet. Returns how many pairs were, and the seconds that the others took."""
    (work / IMAGES).mkdir(exist_ok=True)
    (work / NOTES).mkdir(exist_ok=True)
    missing = [task for task in tasks if not finished(work, task)]
    for task in missing[:1]:
        if not isinstance(task, ReadyPair):
            check_installed(task.games.denoise)
    before, started = len(tasks) - len(missing), time.monotonic()
    with progress_bar("making pairs", len(tasks), before) as progress:
        make_all(missing, work, processes, lambda task: progress.advance(note=task.pair_id))
    for leftover in (work / IMAGES).glob(".*.tmp"):
        leftover.unlink()
    return before, time.monotonic() - started


def _write_tables(rows: list[Row], recipe: Recipe, work: Path) -> None:
    pairs = tables.unique_key(tables.from_rows(rows, tables.PAIRS), ["pair_id"], "the pairs")
    tables.write(pairs, work / "pairs.parquet", tables.PAIRS)
    dealt = deal([row["pair_id"] for row in rows], len(rows), recipe.game, seed=recipe.seed, iteration=0)
    games: list[Row] = [vars(game) for game in dealt]
    tables.write(tables.from_rows(games, tables.GAMES), work / "games.parquet", tables.GAMES)


def _outcome(rows: list[Row], before: int, seconds: float) -> Outcome:
    splits = Counter(row["split"] for row in rows)
    made = len(rows) - before
    counts = {
        "pairs": len(rows),
        "games": len(rows),
        "pictures": sum(1 + (row["modified"] is not None) for row in rows),
        "split": {name: splits[name] for name in ("train", "dev", "test")},
        "finished_before": before,
    }
    warnings = [
        f"no pair fell into split {name}; make more, or change the fractions"
        for name in ("train", "dev", "test")
        if not splits[name]
    ]
    return Outcome(counts, warnings, {"seconds_per_pair": round(seconds / made, 4) if made else 0.0})
