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
    """Whether the policy after round `number` (0: the base model) is evaluated."""
    every = recipe.evaluate.every
    return every > 0 and number % every == 0


def evaluate_round(
    run: Path,
    recipe: Recipe,
    games: Path,
    engine: Engine,
    number: int,
    model: str | Path,
    left_out: Collection[str],
) -> None:
    """Evaluate the policy after round `number` against the opponent, and append its figures to `evaluations.jsonl`.

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
        overwrite=True,  # a run that is continued may ask for other evaluations
    )
    record(run / EVALUATIONS, {"iteration": number, **report.counts})


def _transcripts(run: Path, recipe: Recipe, games: Path, engine: Engine, left_out: Collection[str]) -> Path:
    """Rollouts in which the base model plays every seat."""
    base, split, folder = place_of(recipe.model.path), recipe.evaluate.split, run / "transcripts"
    count = recipe.evaluate.transcripts
    dealt = deal_games(
        folder / "games", recipe, games, split=split, count=count, purpose="transcripts", iteration=0, left_out=left_out
    )
    return rollout.run(
        recipe,
        games,
        folder / "rollouts",
        deal=dealt.out,
        split=split,
        models={"current": base, "base": base},
        engine=engine,
        overwrite=True,
    ).out
