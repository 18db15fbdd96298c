"""The guard set: questions about held-out pictures, outside the game, that the policy answers every few rounds.

The questions and the start model's answers stay the same for the whole run, so changes are compared question by
question (`iterate.guard`). The policy that plays a round answers before that round trains.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.clevr.questions import draw_questions
from stages.core.engines import Engine
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.play.playable import pairs_of
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of, prompt_files
from stages.evaluate.held_out import load
from stages.evaluate.intervals import figure
from stages.evaluate.transfer import answer
from stages.iterate.opponents import CURRENT
from stages.iterate.recovery import GUARD, damaged

ANSWERS = "answers.parquet"


def is_due(recipe: Recipe, number: int) -> bool:
    """Whether the policy that plays round `number` answers the questions. Round 1 is played by the start model."""
    every = recipe.iterate.guard.every
    return every > 0 and number > 1 and (number - 1) % every == 0


def answer_at_start(
    run: Path, recipe: Recipe, games: Path, left_out: Collection[str], *, full: bool, engine: Engine
) -> None:
    """Collect the start model's answers, unless the run has them."""
    folder = run / GUARD
    if recipe.iterate.guard.every and damaged(folder, full=full):
        answer_guard(folder, recipe, games, place_of(recipe.model.path), left_out, engine)


def answer_guard(
    out: Path, recipe: Recipe, games: Path, policy: str | Path, left_out: Collection[str], engine: Engine
) -> Report:
    """A policy's likeliest answers (`tables.ANSWERS`). `InputError` if there is nothing to ask about."""

    def make(work: Path) -> Outcome:
        pairs = pairs_of(games, "dev", left_out)
        settings = recipe.iterate.guard
        drawn = draw_questions(pairs, settings.questions, recipe.outside.attributes, recipe.seed, "guard")
        if not drawn:
            raise InputError(
                f"{games}: has no CLEVR scenes in the split 'dev' to ask about, so there is no guard set; raise "
                "games.dev_fraction, or set iterate.guard.every=0"
            )
        load(engine, CURRENT, policy)
        found = answer(drawn, games, recipe, engine, (CURRENT,))
        tables.write(found, work / ANSWERS, tables.ANSWERS)
        return Outcome({"questions": len(found), "right": found["correct"].mean()})

    return artifact.produce(
        out,
        stage="guard",
        settings={**recipe.settings("model", "rollout", "outside"), "questions": recipe.iterate.guard.questions},
        inputs={"games": games, "policy": policy, **prompt_files(recipe)},
        make=make,
        overwrite=True,
    )


def guard_figures(run: Path, answers: Report) -> dict[str, Any]:
    """The share of right answers, and its change since the start, with intervals by pairs of pictures."""
    key = ["question_id", "pair_id"]
    before, now = (
        tables.read(place / ANSWERS, tables.ANSWERS, [*key, "correct"]) for place in (run / GUARD, answers.out)
    )
    both = now.join(before, on=key, suffix="_before", how="inner", validate="1:1", maintain_order="left")
    change = both["correct"].cast(pl.Int32) - both["correct_before"].cast(pl.Int32)
    return {
        "questions": len(both),
        **figure("right", both["correct"], both["pair_id"]),
        **figure("change", change, both["pair_id"], least=-1.0),
    }
