"""Turns a recipe, scenes, tables or ready-made pictures into a folder of pairs, and deals a game on each."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.core import tables
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.folder.files import sha256_text
from stages.core.folder.manifest import versions
from stages.core.game.rules import deal
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.make_games import noise
from stages.make_games.earlier import take_over
from stages.make_games.making import IMAGES, NOTES, Note, finished, make_all, note_of, skipped_row
from stages.make_games.outcome import Spent, asked_and_found, examples, outcome
from stages.make_games.pair import Pair, Plan
from stages.make_games.sources import Sources, plan


def run(
    recipe: Recipe,
    out: Path,
    *,
    sources: Sources = Sources(),  # noqa: B008 - frozen
    overwrite: bool = False,
    processes: int | None = None,
) -> Report:
    """Make the pairs of `recipe.games` and deal a first game on each.

    `sources` says where the pairs come from; by default vz generates them. `processes` overrides the recipe's.
    """
    noise.check(recipe)
    planned = plan(recipe, sources)
    count = recipe.games.processes if processes is None else processes

    def make(work: Path) -> Outcome:
        label = planned.pairs[0].source if planned.pairs else str(next(iter(planned.inputs.values()), ""))
        skipped = [skipped_row(name, label, why, strict=recipe.games.strict) for name, why in planned.skipped.items()]
        for folder in (IMAGES, NOTES):
            (work / folder).mkdir(exist_ok=True)
        taken_over = take_over(out.resolve(), work, planned.pairs)
        before, seconds = _make_pairs(planned.pairs, work, count)
        notes = [*({"skipped": row} for row in skipped), *(note_of(work, pair) for pair in planned.pairs)]
        _write_tables(notes, recipe, work)
        tools = {**versions(["pillow", *planned.packages]), **planned.drawn_by}
        return outcome(notes, recipe, planned, Spent(taken_over, before - taken_over, seconds), tools)

    report = artifact.produce(
        out,
        stage="make-games",
        settings=_settings(recipe, sources, planned),
        inputs=planned.inputs,
        make=make,
        overwrite=overwrite,
        resumable=True,
    )
    shutil.rmtree(report.out / NOTES, ignore_errors=True)  # only now: a run killed before it is published needs them
    return report


def preview(recipe: Recipe, sources: Sources) -> dict[str, Any]:
    """What `run` would start with. Reads the input but makes no picture, so it cannot know which pairs will fail."""
    planned = plan(recipe, sources)
    splits = Counter(pair.split for pair in planned.pairs)
    return {
        **asked_and_found(planned, recipe),
        "split": {name: splits[name] for name in ("train", "dev", "test")},
        "skipped": dict(Counter(why.reason for why in planned.skipped.values())),
        "ignored_pictures": len(planned.ignored),
        "first_skipped": next((why.detail for why in planned.skipped.values()), None),
    }


def _settings(recipe: Recipe, sources: Sources, planned: Plan) -> dict[str, Any]:
    """What decides the games. `names` is a hash of the names and sources of all pairs, which may come from file names.

    The versions of drawing tools do not count: pictures are files, so vz need not draw finished ones again.
    """
    games = recipe.settings("games")["games"]
    used = {"charts": sources.tables, "ready": sources.ready}
    for part in (name for name, source in used.items() if source is not None):
        games[part] = getattr(recipe.games, part).identity(deterministic=recipe.deterministic)
    names = sha256_text("\n".join(f"{pair.pair_id} {pair.source}" for pair in planned.pairs))
    return {
        "seed": recipe.seed,
        "games": games,
        "game": recipe.game.model_dump(mode="json", include={"players", "clue_rounds", "spy_view"}),
        "names": names,
        **planned.settings,
    }


def _make_pairs(pairs: Sequence[Pair], work: Path, processes: int) -> tuple[int, float]:
    """Make the missing pairs. Returns how many existed already, and the seconds that the others took."""
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
        shutil.rmtree(work / NOTES)  # so that the next command starts afresh
        raise InputError(f"no usable pairs: {examples(skipped)}")
    pairs = tables.unique_key(tables.from_rows(rows, tables.PAIRS), ["pair_id"], "the pairs")
    tables.write(pairs, work / "pairs.parquet", tables.PAIRS)
    dealt = deal([row["pair_id"] for row in rows], len(rows), recipe.game, seed=recipe.seed, iteration=0)
    games = [vars(game) for game in dealt]
    tables.write(tables.from_rows(games, tables.GAMES), work / "games.parquet", tables.GAMES)
    if skipped:
        tables.write(tables.from_rows(skipped, tables.SKIPPED), work / "skipped.parquet", tables.SKIPPED)
