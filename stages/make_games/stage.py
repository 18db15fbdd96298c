"""From a recipe, given scenes or ready pictures to a folder of pairs with a game dealt on each."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.core import artifact, tables
from stages.core.artifact import Outcome, Report
from stages.core.errors import InputError
from stages.core.files import sha256_text
from stages.core.game.rules import deal
from stages.core.manifest import versions
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.make_games import noise
from stages.make_games.earlier import take_over
from stages.make_games.making import IMAGES, NOTES, Note, finished, note_of
from stages.make_games.outcome import Spent, outcome, told
from stages.make_games.pair import Pair, Plan
from stages.make_games.pool import make_all
from stages.make_games.sources import Sources, plan

# What of games.ready only decides between a pair that is skipped and an end: the same command goes on with either.
SKIP_OR_END = ("unusable", "sizes_differ", "identical", "unrelated")


def run(
    recipe: Recipe,
    out: Path,
    *,
    sources: Sources = Sources(),  # noqa: B008 - frozen
    overwrite: bool = False,
    processes: int | None = None,
) -> Report:
    """Make the pairs of `recipe.games` and deal a first game on each.

    `sources`: what the pairs are made from, if not drawn by the recipe's rules. `processes` overrides the recipe's.
    """
    noise.check(recipe)
    planned = plan(recipe, sources)
    count = recipe.games.processes if processes is None else processes

    def make(work: Path) -> Outcome:
        for folder in (IMAGES, NOTES):
            (work / folder).mkdir(exist_ok=True)
        taken_over = take_over(out.resolve(), work, planned.pairs)
        before, seconds = _make_pairs(planned.pairs, work, count)
        notes = [note_of(work, pair) for pair in planned.pairs]
        _write_tables(notes, recipe, work)
        return outcome(notes, recipe, planned, Spent(taken_over, before - taken_over, seconds))

    report = artifact.produce(
        out,
        stage="make-games",
        settings=_settings(recipe, planned),
        inputs=planned.inputs,
        make=make,
        overwrite=overwrite,
        resumable=True,
    )
    shutil.rmtree(report.out / NOTES, ignore_errors=True)  # only now: until it is published, a kill may need them
    return report


def _settings(recipe: Recipe, planned: Plan) -> dict[str, Any]:
    """What decides the bytes that are written; the number of processes does not.

    `names` stands for the names and sources of all pairs, which may come from names of files.
    """
    ready = {name for name in SKIP_OR_END if getattr(recipe.games.ready, name) in ("drop", "error")}
    left_out: Any = {"processes": True, "ready": {*ready, "most_group_bytes"}, "charts": {"bad_tables"}}
    names = sha256_text("\n".join(f"{pair.pair_id} {pair.source}" for pair in planned.pairs))
    return {
        "seed": recipe.seed,
        "games": recipe.games.model_dump(mode="json", exclude=left_out),
        "game": recipe.game.model_dump(mode="json", include={"players", "clue_rounds", "spy_view"}),
        "names": names,
        "versions": versions(["pillow", *planned.packages]),
        **planned.settings,
    }


def _make_pairs(pairs: Sequence[Pair], work: Path, processes: int) -> tuple[int, float]:
    """Make what is not there yet. Returns how many pairs were, and the seconds that the others took."""
    missing = [pair for pair in pairs if not finished(work, pair)]
    if missing:
        missing[0].check_installed()
    before, started = len(pairs) - len(missing), time.monotonic()
    with progress_bar("making pairs", len(pairs), before) as progress:
        make_all(missing, work, processes, lambda pair: progress.advance(note=pair.pair_id))
    for leftover in (work / IMAGES).glob(".*.tmp"):
        leftover.unlink()
    return before, time.monotonic() - started


def _write_tables(notes: Sequence[Note], recipe: Recipe, work: Path) -> None:
    rows = [note["row"] for note in notes if "row" in note]
    skipped = [note["skipped"] for note in notes if "skipped" in note]
    if not rows:
        shutil.rmtree(work / NOTES)  # only why there are none; what is then asked otherwise should begin anew
        raise InputError(f"no pair can be made: {told(skipped)}")
    pairs = tables.unique_key(tables.from_rows(rows, tables.PAIRS), ["pair_id"], "the pairs")
    tables.write(pairs, work / "pairs.parquet", tables.PAIRS)
    dealt = deal([row["pair_id"] for row in rows], len(rows), recipe.game, seed=recipe.seed, iteration=0)
    games = [vars(game) for game in dealt]
    tables.write(tables.from_rows(games, tables.GAMES), work / "games.parquet", tables.GAMES)
    if skipped:
        tables.write(tables.from_rows(skipped, tables.SKIPPED), work / "skipped.parquet", tables.SKIPPED)
