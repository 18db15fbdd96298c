"""Evaluations inside a run: every `evaluate.every` rounds, the first before round 1."""

from __future__ import annotations

from pathlib import Path

from stages import evaluate, rollout
from stages.iterate.dealing import deal_games
from stages.iterate.round import Round
from stages.iterate.state import record

EVALUATIONS = "evaluations.jsonl"


def evaluate_if_due(this: Round, model: str | Path) -> None:
    """Evaluate `model`, the policy after a round, if it is its turn; append its figures to `evaluations.jsonl`.

    All evaluations of a run vote on the same transcripts, which its base model plays with itself once.
    """
    if not this.is_evaluated:
        return
    report = evaluate.run(
        this.recipe,
        this.games,
        this.folder / "evaluation",
        model=model,
        transcripts=_transcripts(this) if this.recipe.evaluate.transcripts else None,
        engine=this.engine,
        left_out=this.left_out,
        overwrite=True,  # a run that is continued may ask for other evaluations
    )
    record(this.run / EVALUATIONS, {"iteration": this.number, **report.counts})


def _transcripts(this: Round) -> Path:
    """Rollouts in which the base model plays every seat."""
    split, folder = this.recipe.evaluate.split, this.run / "transcripts"
    dealt = deal_games(
        folder / "games",
        this.recipe,
        this.games,
        split=split,
        count=this.recipe.evaluate.transcripts,
        purpose="transcripts",
        iteration=0,
        left_out=this.left_out,
    )
    return rollout.run(
        this.recipe,
        this.games,
        folder / "rollouts",
        deal=dealt.out,
        split=split,
        models={"current": this.base, "base": this.base},
        engine=this.engine,
        overwrite=True,
    ).out
