"""Evaluations and benchmarks inside a run: every `evaluate.every` rounds, the first before round 1."""

from __future__ import annotations

from pathlib import Path

from stages import benchmark, evaluate, rollout
from stages.core import tables
from stages.core.errors import InputError, MissingExtra
from stages.core.printing.terminal import say
from stages.core.recipe import Recipe
from stages.iterate.dealing import deal_games
from stages.iterate.round import Round
from stages.iterate.state import EVALUATIONS, record


def check_splits(recipe: Recipe, games: Path) -> tuple[Recipe, list[str]]:
    """The recipe, without evaluations if `games` has no pairs for them, and a warning that says so.

    `InputError` if the games have no pairs to train on, or none for a signal on held-out pairs.
    """
    held = set(tables.read(games / "pairs.parquet", tables.PAIRS, ["split"])["split"])
    needed = {"train", "dev"} if recipe.iterate.signal == "heldout" else {"train"}
    if missing := sorted(needed - held):
        raise InputError(f"{games}: has no pairs in the split '{missing[0]}', which the run needs; make more")
    split = recipe.evaluate.split
    if recipe.evaluate.every == 0 or split in held:
        return recipe, []
    off = recipe.evaluate.model_copy(update={"every": 0, "benchmarks": ()})
    warning = (
        f"{games}: has no pairs in the split '{split}', so the run is not evaluated; make more, or evaluate it on "
    )
    return recipe.model_copy(update={"evaluate": off}), [f"{warning}others with --set evaluate.split=train"]


def check_benchmarks(recipe: Recipe) -> None:
    """`InputError` if something that `evaluate.benchmarks` needs is missing."""
    if recipe.evaluate.benchmarks:
        try:
            benchmark.check_ready(_with_suite(recipe))
        except MissingExtra as error:
            raise InputError(f"evaluate.benchmarks: {error}, or leave it empty") from error


def room_for_benchmarks(recipe: Recipe) -> Recipe:
    """The recipe for opening the run's engine."""
    return benchmark.with_room(recipe) if recipe.evaluate.benchmarks else recipe


def evaluate_if_due(this: Round, model: str | Path) -> None:
    """Evaluate and benchmark `model`, the policy after a round, if that is due. Appends the figures of the evaluation
    to `evaluations.jsonl`.

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
    if this.recipe.evaluate.benchmarks:
        _benchmark(this, model)


def _benchmark(this: Round, model: str | Path) -> None:
    """Ask `model` and the run's base the questions of `evaluate.benchmarks`. The base is asked only once: vz benchmark
    caches its answers."""
    report = benchmark.run(
        _with_suite(this.recipe),
        this.folder / "benchmark",
        model=model,
        base=this.base,
        engine=this.engine,
        overwrite=True,
    )
    for warning in report.warnings:
        say(f"warning: benchmarks after round {this.number}: {warning}")


def _with_suite(recipe: Recipe) -> Recipe:
    """The recipe with `evaluate.benchmarks` as its benchmark."""
    asked = {"suite": recipe.evaluate.benchmarks, "questions": recipe.evaluate.benchmark_questions}
    return recipe.model_copy(update={"benchmark": recipe.benchmark.model_copy(update=asked)})


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
