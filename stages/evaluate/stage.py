"""Evaluates a policy against an opponent on held-out pairs; writes `evaluation.json` and the tables behind it."""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.engines import Engine, open_engine
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.folder.files import write_json
from stages.core.play import playable
from stages.core.play.folder import deal_table, play_folder
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of, prompt_files
from stages.core.recipe.rollout import Seats
from stages.core.vlm.needs import check_models
from stages.evaluate.arena import arena_figures, play_both_sides
from stages.evaluate.clues import clue_figures, judge_figures, questions, read_clues, with_verdicts
from stages.evaluate.held_out import deals, held_out_pairs, load, unplayable_pairs
from stages.evaluate.judge import Question, judge, judge_place, judge_prompt
from stages.evaluate.transcripts import decision_figures, vote_on
from stages.evaluate.transfer import answer, draw_questions, transfer_figures

FIGURES = "evaluation.json"
FEW_PAIRS = 10  # fewer say little, since intervals cluster by pair
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
    """Evaluate `model` against `opponent` on the pairs of `evaluate.split` in `games`.

    arena: games against each other, with the roles both ways round. decision: votes of both on the same transcripts,
    which the opponent plays with itself unless `transcripts` is a folder of rollouts. clues: how true the model's clues
    in the arena are, by the checker. judge: the same by the model of `evaluate.judge`. transfer: questions that are not
    part of the game. `left_out`: unplayable pairs, if you lend an `engine`.
    """
    artifact.manifest_of(games, "make-games")
    against = opponent or (recipe.model.path if recipe.evaluate.opponent == "base" else recipe.evaluate.opponent)
    places = {"current": place_of(model or recipe.model.path), "opponent": place_of(against)}
    judge_at = judge_place(recipe)
    inputs: dict[str, str | Path] = {"games": games, **places, **prompt_files(recipe)}
    if judge_at is not None:
        inputs |= {"judge": judge_at, "judge prompt": judge_prompt(recipe)}
    if transcripts is not None:
        artifact.manifest_of(transcripts, "rollout")
        inputs["transcripts"] = transcripts

    def make(work: Path) -> Outcome:
        unplayable = frozenset[str](left_out)
        if engine is None:
            check_models(recipe, [] if judge_at is None else [judge_at])
            unplayable = unplayable_pairs(work, recipe, games, places)
        pairs = held_out_pairs(recipe, games, unplayable)
        with ExitStack() as stack:
            live = engine or stack.enter_context(open_engine(recipe))
            for name, place in places.items():
                load(live, name, place)
            evaluation = _Evaluation(work, recipe, games, pairs, live)
            figures = evaluation.figures(transcripts, judge_at)
        write_json(work / FIGURES, figures)
        warnings = playable.warning(unplayable, out) if engine is None else []
        warnings += _warnings(recipe, figures, len(pairs), with_itself=places["current"] == places["opponent"])
        return Outcome(figures, warnings, evaluation.timings)

    return artifact.produce(
        out,
        stage="evaluate",
        settings=recipe.settings("model", "game", "rollout", "evaluate"),
        inputs=inputs,
        make=make,
        overwrite=overwrite,
        resumable=True,
    )


def _warnings(recipe: Recipe, figures: dict[str, Any], pairs: int, *, with_itself: bool) -> list[str]:
    found = []
    if pairs < FEW_PAIRS:
        found.append(
            f"pairs of pictures: only {pairs}, so the intervals are wide; make more games, or hold out a "
            "larger share of them (games.test_fraction)"
        )
    if with_itself:
        found.append("the policy plays against itself; name another one with --model or --opponent")
    asked = figures.get("transfer", {}).get("questions", 0)
    if 0 < asked < recipe.evaluate.questions:
        found.append(f"the scenes allow only {asked} of {recipe.evaluate.questions} transfer questions")
    return found


def _with_one_vote(recipe: Recipe) -> Recipe:
    """For transcripts: both policies vote on the clues later, so one vote suffices to keep the prompt."""
    return recipe.model_copy(update={"game": recipe.game.model_copy(update={"votes": 1})})


class _Evaluation:
    """One evaluation. Each part writes its table into the work folder and returns its figures."""

    def __init__(self, work: Path, recipe: Recipe, games: Path, pairs: pl.DataFrame, engine: Engine) -> None:
        self._work, self._recipe, self._games, self._pairs, self._engine = work, recipe, games, pairs, engine
        self.timings: dict[str, float] = {}

    def figures(self, transcripts: Path | None, judge_at: str | Path | None) -> dict[str, Any]:
        return self._arena() | self._decision(transcripts) | self._clues(judge_at) | self._transfer()

    def _write(self, table: pl.DataFrame, name: str, schema: tables.Schema) -> pl.DataFrame:
        tables.write(table, self._work / f"{name}.parquet", schema)
        return table

    def _arena(self) -> dict[str, Any]:
        dealt = deals(self._recipe, self._pairs, "evaluate", self._recipe.evaluate.games // 2)
        arena = play_both_sides(self._work, self._recipe, dealt, self._pairs, self._games, self._engine)
        return {"arena": arena_figures(self._write(arena, "arena", tables.ARENA))}

    def _decision(self, transcripts: Path | None) -> dict[str, Any]:
        count = self._recipe.evaluate.transcripts
        if count == 0 and transcripts is None:
            return {}
        if transcripts is None:
            transcripts = self._work / "transcripts"
            transcripts.mkdir(exist_ok=True)
            dealt, seats = deal_table(deals(self._recipe, self._pairs, "transcripts", count)), _OPPONENT_EVERYWHERE
            play_folder(
                transcripts,
                _with_one_vote(self._recipe),
                dealt,
                self._pairs,
                self._games,
                self._engine,
                seats=seats,
                title="transcripts",
            )
        votes = vote_on(transcripts, self._games, self._recipe, self._engine)
        return {"decision": decision_figures(self._write(votes, "votes", tables.VOTES))}

    def _clues(self, judge_at: str | Path | None) -> dict[str, Any]:
        said = read_clues(self._work, self._games)
        replies: dict[Question, str] = {}
        cost: dict[str, int] = {}
        if judge_at is not None:
            start = time.monotonic()
            replies, cost = judge(questions(said), self._recipe, self._engine, judge_at)
            self.timings["judge"] = time.monotonic() - start
        clues = self._write(with_verdicts(said, replies), "clues", tables.CLUES)
        figures = {"clues": clue_figures(clues)}
        return figures if judge_at is None else {**figures, "judge": judge_figures(clues) | cost}

    def _transfer(self) -> dict[str, Any]:
        drawn = draw_questions(self._pairs, self._recipe)
        if not drawn:
            return {}
        answers = self._write(answer(drawn, self._games, self._recipe, self._engine), "answers", tables.ANSWERS)
        return {"transfer": transfer_figures(answers)}
