"""Evaluations inside a run: every `evaluate.every` rounds, the first before round 1."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from stages import evaluate, rollout
from stages.core.engines import Engine
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of
from stages.iterate.dealing import deal_games
from stages.iterate.state import record

EVALUATIONS = "evaluations.jsonl"


def is_due(recipe: Recipe, number: int) -> bool:
    """Whether the policy after round `number` (0: the base model) is judged."""
    every = recipe.evaluate.every
    return every > 0 and number % every == 0


def judge(
    run: Path,
    recipe: Recipe,
    games: Path,
    engine: Engine,
    number: int,
    model: str | Path,
    left_out: Collection[str],
) -> None:
    """Judge the policy after round `number` beside the opponent, and put its figures into `evaluations.jsonl`.

    All evaluations of a run vote on the same transcripts, which its base model plays with itself once.
    """
    transcripts = _transcripts(run, recipe, games, engine, left_out) if recipe.evaluate.transcripts else None
    report = evaluate.run(
        recipe,
        games,
        run / f"round-{number:04d}" / "evaluation",
        model=model,
        transcripts=transcripts,
        engine=engine,
        left_out=left_out,
        overwrite=True,  # a run that goes on may ask for other evaluations
    )
    record(run / EVALUATIONS, {"iteration": number, **report.counts})


def _transcripts(run: Path, recipe: Recipe, games: Path, engine: Engine, left_out: Collection[str]) -> Path:
    """Rollouts in which the base model has every seat."""
    base, split = place_of(recipe.model.path), recipe.evaluate.split
    dealt = deal_games(
        run / "transcripts" / "games",
        recipe,
        games,
        split=split,
        count=recipe.evaluate.transcripts,
        purpose="transcripts",
        iteration=0,
        left_out=left_out,
        overwrite=True,
    )
    return rollout.run(
        recipe,
        games,
        run / "transcripts" / "rollouts",
        deal=dealt.out,
        split=split,
        models={"current": base, "base": base},
        engine=engine,
        overwrite=True,
    ).out
