"""From a policy, an opponent and held-out pairs to `evaluation.json` and the tables behind it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.engines import Engine, open_engine
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.folder.files import write_json
from stages.core.game.rules import Deal, deal
from stages.core.play import playable
from stages.core.play.folder import deal_table, play_folder
from stages.core.play.playable import check_spy_view
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of, prompt_files
from stages.core.recipe.rollout import Seats
from stages.core.seeds import derive
from stages.core.vlm.needs import check_models
from stages.evaluate.arena import arena_figures, play_both_sides, read_arena
from stages.evaluate.clues import clue_figures, read_clues
from stages.evaluate.intervals import CONFIDENCE
from stages.evaluate.transcripts import decision_figures, vote_on
from stages.evaluate.transfer import answer, draw_questions, transfer_figures

FIGURES = "evaluation.json"
FEW_PAIRS = 10  # below these, intervals by pairs say little
_OPPONENT_EVERYWHERE = Seats(civilian="opponent", analyst="opponent", spy="opponent")


def run(
    recipe: Recipe,
    games: Path,
    out: Path,
    *,
    model: str | Path | None = None,
    opponent: str | Path | None = None,
    transcripts: Path | None = None,
    engine: Engine | None = None,
    left_out: Collection[str] = (),
    overwrite: bool = False,
) -> Report:
    """Judge `model` beside `opponent` on the pairs of `evaluate.split` in `games`.

    arena: games against each other with the roles both ways round. decision: votes of both on the same transcripts,
    which the opponent plays with itself, or which lie in the rollouts folder `transcripts`. clues: how true the
    model's clues in the arena are, where scenes are known. transfer: questions that are no part of the game.
    `left_out`: pairs that cannot be played, as the lender of `engine` knows.
    """
    artifact.manifest_of(games, "make-games")
    against = opponent or (recipe.model.path if recipe.evaluate.opponent == "base" else recipe.evaluate.opponent)
    places = {"current": place_of(model or recipe.model.path), "opponent": place_of(against)}
    if transcripts is not None:
        artifact.manifest_of(transcripts, "rollout")

    def make(work: Path) -> Outcome:
        unplayable = frozenset[str](left_out)
        if engine is None:
            check_models(recipe, places.values())
            unplayable = playable.leave_out(work, recipe, games, held_out_pairs(recipe, games), places.values())
        pairs = held_out_pairs(recipe, games, unplayable)
        with ExitStack() as stack:
            live = engine or stack.enter_context(open_engine(recipe))
            for name, place in places.items():
                live.load(name, place, artifact.content_hash(place)[:12])
            dealt = deals(recipe, pairs, "evaluate", recipe.evaluate.games // 2)
            play_both_sides(work, recipe, dealt, pairs, games, live)
            figures = _arena(work, recipe)
            figures |= _decision(work, recipe, pairs, games, transcripts, live)
            figures |= _clues(work, recipe, games)
            figures |= _transfer(work, recipe, pairs, games, live)
        write_json(work / FIGURES, figures)
        warnings = playable.warning(unplayable, out) if engine is None else []
        return Outcome(figures, warnings + _warnings(recipe, places, figures, len(pairs)))

    return artifact.produce(
        out,
        stage="evaluate",
        settings=recipe.settings("model", "game", "rollout", "evaluate"),
        inputs={"games": games, **places, **prompt_files(recipe)}
        | ({"transcripts": transcripts} if transcripts else {}),
        make=make,
        overwrite=overwrite,
        resumable=True,
    )


def _warnings(recipe: Recipe, places: dict[str, str | Path], figures: dict[str, Any], pairs: int) -> list[str]:
    found = []
    if pairs < FEW_PAIRS:
        found.append(
            f"all of this rests on {pairs} pair(s) of pictures, by which the intervals are: make more games, or a "
            "larger share of them held out (games.test_fraction)"
        )
    if places["current"] == places["opponent"]:
        found.append("the policy plays against itself: name another as --model or --opponent")
    asked = figures.get("transfer", {}).get("questions", 0)
    if 0 < asked < recipe.evaluate.questions:
        found.append(f"only {asked} of {recipe.evaluate.questions} transfer questions could be drawn from the scenes")
    return found


def held_out_pairs(recipe: Recipe, games: Path, left_out: Collection[str] = ()) -> pl.DataFrame:
    """The pairs of `evaluate.split` without those that are left out.

    `InputError` without any, or if they lack the picture that the spy is to see.
    """
    pairs = tables.read(games / "pairs.parquet", tables.PAIRS).filter(pl.col("split") == recipe.evaluate.split)
    pairs = pairs.filter(~pl.col("pair_id").is_in(list(left_out)))
    if pairs.is_empty():
        raise InputError(f"{games}: has no pairs of the split '{recipe.evaluate.split}'; make more games")
    check_spy_view(pairs, recipe.game.spy_view)
    return pairs


def deals(recipe: Recipe, pairs: pl.DataFrame, purpose: str, count: int) -> list[Deal]:
    """`count` games on the pairs, dealt by the recipe's seed and what they are for."""
    return deal(pairs["pair_id"].to_list(), count, recipe.game, seed=derive(recipe.seed, purpose), iteration=0)


def _arena(work: Path, recipe: Recipe) -> dict[str, Any]:
    arena = read_arena(work, recipe)
    tables.write(arena, work / "arena.parquet", tables.ARENA)
    return {"arena": arena_figures(arena, CONFIDENCE)}


def _decision(
    work: Path, recipe: Recipe, pairs: pl.DataFrame, games: Path, transcripts: Path | None, engine: Engine
) -> dict[str, Any]:
    count = recipe.evaluate.transcripts
    if count == 0 and transcripts is None:
        return {}
    if transcripts is None:
        transcripts = work / "transcripts"
        transcripts.mkdir(exist_ok=True)
        played = deal_table(deals(recipe, pairs, "transcripts", count))
        play_folder(transcripts, recipe, played, pairs, games, engine, seats=_OPPONENT_EVERYWHERE, title="transcripts")
    votes = vote_on(transcripts, games, recipe, engine)
    tables.write(votes, work / "votes.parquet", tables.VOTES)
    return {"decision": decision_figures(votes, CONFIDENCE)}


def _clues(work: Path, recipe: Recipe, games: Path) -> dict[str, Any]:
    clues = read_clues(work, games)
    tables.write(clues, work / "clues.parquet", tables.CLUES)
    return {"clues": clue_figures(clues, CONFIDENCE)}


def _transfer(work: Path, recipe: Recipe, pairs: pl.DataFrame, games: Path, engine: Engine) -> dict[str, Any]:
    drawn = draw_questions(pairs, recipe)
    if not drawn:
        return {}
    answers = answer(drawn, games, recipe, engine)
    tables.write(answers, work / "answers.parquet", tables.ANSWERS)
    return {"transfer": transfer_figures(answers, CONFIDENCE)}
