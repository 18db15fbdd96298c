"""The stage: benchmarks a model and its base, and writes `benchmark.json` and the answers of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl

from stages.benchmark.cache import Measured, default_cache
from stages.benchmark.comparing import compare, paired
from stages.core import tables
from stages.core.engines import Engine
from stages.core.errors import InputError, VzError, require
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.folder.files import write_json
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of
from stages.core.vlm.lineage import base_of
from stages.core.vlm.needs import check_models

FIGURES = "benchmark.json"
MOST_PICTURES = 32  # in a question; a game shows one
ROUNDED = 1e-3  # lmms-eval rounds some of its figures
Place = str | Path
Answers = Mapping[tuple[str, str], Measured]  # by policy and single task


def run(
    recipe: Recipe,
    out: Path,
    *,
    model: Place,
    base: Place | None = None,
    cache: Path | None = None,
    engine: Engine | None = None,
    overwrite: bool = False,
) -> Report:
    """Ask `model` and its `base` the questions of `benchmark.suite`, and compare them question by question.

    `base` is by default the model that `model` was trained from. Every finished task of a model is kept in `cache`
    (default: in the user's cache folder), so a repeated command, another checkpoint of the same base, or a larger suite
    asks only what is new. A task that cannot be measured here, for example because its data cannot be fetched, is left
    out and reported. If none can be measured, that is a `VzError`. An `engine` that you lend must be opened with
    `with_room(recipe)`.
    """
    require("lmms_eval", "benchmark")
    places = _places(recipe, model, base)
    folder = _tasks_folder(recipe)
    given = {"tasks folder": folder, "chat template": recipe.model.chat_template}
    inputs: dict[str, Place] = {**places, **{name: Path(path) for name, path in given.items() if path is not None}}
    answers = {"rollout": {"engine": recipe.rollout.engine}}
    settings = {**recipe.settings("model", "benchmark"), **answers, "lmms_eval": metadata.version("lmms_eval")}

    def make(work: Path) -> Outcome:
        from stages.benchmark.session import Session

        if engine is None:
            check_models(recipe, places.values())
        with Session(recipe, places, cache or default_cache(), settings, engine) as session:
            measured, failed = session.measure_all()
        figures, warnings = compared(session.tasks, measured, failed, recipe)
        _write(work, measured, figures)
        return Outcome(figures, warnings)

    return artifact.produce(
        out,
        stage="benchmark",
        settings=settings,
        inputs=inputs,
        make=make,
        overwrite=overwrite,
        lost_beside=_unmeasured,
    )


def check_ready(recipe: Recipe) -> None:
    """`InputError` if lmms-eval is not installed, or lacks a task of `benchmark.suite`."""
    require("lmms_eval", "benchmark")
    _tasks_folder(recipe)
    from stages.benchmark.harness import tasks_of

    tasks_of(recipe)


def with_room(recipe: Recipe) -> Recipe:
    """The recipe with room for the answers and pictures of a benchmark."""
    rollout = recipe.rollout
    options = {"limit_mm_per_prompt": {"image": MOST_PICTURES, "video": 0}, **rollout.vllm.options}
    longest = max(rollout.max_vote_tokens, recipe.benchmark.max_new_tokens)
    room = {"max_vote_tokens": longest, "vllm": rollout.vllm.model_copy(update={"options": options})}
    return recipe.model_copy(update={"rollout": rollout.model_copy(update=room)})


def _tasks_folder(recipe: Recipe) -> str | None:
    folder = recipe.benchmark.tasks_folder
    if folder is not None and not Path(folder).is_dir():
        raise InputError(f"benchmark.tasks_folder: {folder}: no such folder")
    return folder


def _places(recipe: Recipe, model: Place, base: Place | None) -> dict[str, Place]:
    place = place_of(model)
    return {"base": place_of(base) if base is not None else base_of(place, recipe.model), "model": place}


def _unmeasured(manifest: Mapping[str, Any]) -> str | None:
    """What a finished benchmark lacks. If it lacks something, the same command runs again."""
    failed = manifest["counts"].get("failed")
    return f"{failed[0]['task']} could not be measured: {failed[0]['reason']}" if failed else None


def compared(
    tasks: Mapping[Any, Sequence[str]], measured: Answers, failed: Mapping[str, str], recipe: Recipe
) -> tuple[dict[str, Any], list[str]]:
    """The figures of `benchmark.json`, and warnings. `tasks` maps each task to its single tasks."""
    rows: list[dict[str, Any]] = []
    warnings: list[str] = []
    for task, leaves in tasks.items():
        if task.name not in failed:
            row, notes = _row(task.name, leaves, measured, recipe.seed)
            rows.append(row)
            warnings += notes
    if not rows:
        raise VzError("; ".join(f"{name} cannot be measured: {reason}" for name, reason in failed.items()))
    questions = recipe.benchmark.questions
    figures = {
        "note": _note(questions, failed),
        "questions": questions,
        "tasks": rows,
        "failed": [{"task": name, "reason": reason} for name, reason in failed.items()],
    }
    return figures, warnings + [f"{name} was not measured: {reason}" for name, reason in failed.items()]


def _row(name: str, leaves: Sequence[str], measured: Answers, seed: int) -> tuple[dict[str, Any], list[str]]:
    """The comparison of one task over the questions of all its parts, and notes about it."""
    parts = {policy: [measured[policy, leaf] for leaf in leaves] for policy in ("base", "model")}
    base, model = (pl.concat([part.answers for part in parts[policy]]) for policy in ("base", "model"))
    both, first = paired(base, model, name), parts["model"][0]
    found = compare(both["base"].to_list(), both["model"].to_list(), higher_is_better=first.higher_is_better, seed=seed)
    cut = {policy: int(answers["cut"].sum()) for policy, answers in (("base", base), ("model", model))}
    notes = [note for policy in parts for part in parts[policy] for note in part.notes]
    for part in (part for policy in parts for part in parts[policy]):
        mean = float(part.answers["score"].mean() or 0.0)  # type: ignore[arg-type]
        if part.own_score is not None and not _same(part.own_score, mean):
            notes.append(
                f"{name}: vz compares the mean of {part.metric} over its questions, {mean:.4g}; "
                f"lmms-eval's own figure, {part.own_score:.4g}, weights questions"
            )
    return {"task": name, "metric": first.metric, **found.row(), "cut": cut}, list(dict.fromkeys(notes))


def _same(own: float, mean: float) -> bool:
    return any(abs(own - scale * mean) <= ROUNDED * max(1.0, abs(own)) for scale in (1, 100, 0.01))


def _note(questions: int | None, failed: Mapping[str, str]) -> str:
    """What else a reader of the table must know."""
    parts = [] if questions is None else [f"Only the first {questions} questions of each task."]
    return " ".join(parts + ([f"Not measured: {', '.join(failed)}."] if failed else []))


def _write(work: Path, measured: Answers, figures: Mapping[str, Any]) -> None:
    """The figures, and `base.parquet` and `model.parquet` with the answers."""
    whole = [leaf for who, leaf in measured if who == "model"]  # a failed task may have answers of the base alone
    for policy in ("base", "model"):
        answers = pl.concat([measured[policy, leaf].answers for leaf in whole])
        tables.write(answers, work / f"{policy}.parquet", tables.BENCHMARK_ANSWERS)
    write_json(work / FIGURES, dict(figures))
