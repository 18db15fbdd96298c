"""Calls lmms-eval as a library: finds its tasks, and runs one task with one policy.

Its command exits with 0 on failures, and prints to the same stream as `--json`. So vz calls its functions instead, and
reads the score of every question from their results.
"""

from __future__ import annotations

import copy
import inspect
import sys
from argparse import Namespace
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from datasets import disable_progress_bars
from lmms_eval import evaluator
from lmms_eval.api import task as task_code
from lmms_eval.tasks import TaskManager, get_task_dict
from loguru import logger

from stages.benchmark.asking import Asked, Unsupported
from stages.benchmark.cache import Measured
from stages.benchmark.suites import SUITES, Task, chosen
from stages.core import tables
from stages.core.errors import InputError, VzError, first_line
from stages.core.folder.files import sha256_text
from stages.core.recipe import Recipe

# What lmms-eval's command passes on by default.
_REASONING = '[["<think>", "</think>"], ["<analysis>", "</analysis>"]]'


def _without_bars(bar: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *items, **options: bar(*items, **{**options, "disable": True})


for module in (evaluator, task_code):  # vz shows its own progress
    module.tqdm = _without_bars(module.tqdm)
disable_progress_bars()


class CannotMeasure(VzError):
    """A task cannot be measured here. Other tasks may be."""


class Harness:
    """lmms-eval with its own tasks and those in `folder`. It reads its own only if `names` needs them, because they are
    thousands of files."""

    def __init__(self, folder: Path | None, names: Collection[str]) -> None:
        self.version = version("lmms_eval")
        with quiet():
            given = None if folder is None else TaskManager(include_path=str(folder), include_defaults=False)
            self.own: set[str] = set() if given is None else set(given.task_index)
            known = given if given is not None and self.own.issuperset(names) else None
            self._manager = known or TaskManager(include_path=None if folder is None else str(folder))

    def leaves(self, name: str) -> list[str]:
        """The single tasks that a task, group or tag stands for. `InputError` if the name is unknown."""
        index = self._manager.task_index
        if name not in index:
            known = get_close_matches(name, [*SUITES, *index], n=1)
            hint = f" (did you mean '{known[0]}'?)" if known else ""
            raise InputError(
                f"'{name}' is neither a suite nor a task of lmms-eval {self.version}{hint}; suites are "
                f"{', '.join(SUITES)}, and your own tasks need --tasks-folder"
            )
        kind = index[name]["type"]
        if kind in ("task", "python_task"):
            return [name]
        parts = index[name]["task"]
        if parts == -1:
            parts = yaml.safe_load(_without_functions(Path(index[name]["yaml_path"]).read_text(encoding="utf-8")))[
                "task"
            ]
        return [leaf for part in parts for leaf in self.leaves(part if isinstance(part, str) else part["task"])]

    def measure(self, task: Task, leaf: str, policy: Asked, questions: int | None) -> Measured:
        """Ask `policy` the first `questions` questions of the single task `leaf`.

        `CannotMeasure` if its data cannot be fetched, or its code fails. Errors of the engine are raised as they are.
        """
        with quiet() as errors, TemporaryDirectory() as scratch:
            loaded = self._loaded(leaf, policy)
            options = Namespace(output_path=scratch, process_with_media=False, reasoning_tags=_REASONING)
            try:
                found = evaluator.evaluate(policy, {leaf: loaded}, limit=questions, bootstrap_iters=0, cli_args=options)
            except Unsupported as error:
                raise CannotMeasure(f"{leaf}: {error}") from error
            except VzError:
                raise
            except Exception as error:
                if policy.failure is not None:
                    raise policy.failure from error
                raise CannotMeasure(f"{leaf}: lmms-eval fails: {reason(error)}") from error
        return _measured(task, leaf, loaded, policy, found, errors)

    def _loaded(self, leaf: str, policy: Asked) -> Any:
        try:
            loaded = get_task_dict([leaf], self._manager, "chat")[leaf]
        except Exception as error:
            raise CannotMeasure(f"{leaf}: its data cannot be loaded: {reason(error)}") from error
        policy.task_dict[leaf] = loaded.dataset
        if loaded.get_config("num_fewshot") is None:
            loaded.set_config(key="num_fewshot", value=0)
        return loaded


def tasks_of(recipe: Recipe) -> tuple[Harness, dict[Task, list[str]]]:
    """lmms-eval with the tasks of `benchmark.suite`, and the single tasks of each. `InputError` for an unknown one."""
    folder, tasks = recipe.benchmark.tasks_folder, chosen(recipe.benchmark.suite)
    harness = Harness(None if folder is None else Path(folder), [task.name for task in tasks])
    return harness, {task: harness.leaves(task.name) for task in tasks}


def reason(error: BaseException) -> str:
    """Why something failed, in one line. lmms-eval retries what fails, and wraps the last error."""
    attempt = getattr(error, "last_attempt", None)
    inner = attempt.exception() if attempt is not None else None
    return reason(inner) if inner is not None else f"{type(error).__name__}: {first_line(error)}"


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Collect the errors that lmms-eval only logs. What it prints goes to stderr."""
    errors: list[str] = []
    logger.remove()
    number = logger.add(lambda message: errors.append(message.record["message"]), level="ERROR")
    try:
        with redirect_stdout(sys.stderr):
            yield errors
    finally:
        logger.remove(number)


def _measured(
    task: Task, leaf: str, loaded: Any, policy: Asked, found: Mapping[str, Any], errors: Sequence[str]
) -> Measured:
    samples = list({sample["doc_id"]: sample for sample in reversed(found["samples"][leaf])}.values())[::-1]
    metric, scores = _scores(task, leaf, loaded, samples)
    rows: list[dict[str, object]] = [
        {
            "task": leaf,
            "question_id": sample["doc_id"],
            "question_sha256": sha256_text(f"{_text(sample['arguments'][0])}\n{_text(sample['target'])}"),
            "prompt": _text(sample["arguments"][0]),
            "target": _text(sample["target"]),
            "answer": _text(sample["resps"][0]),
            "tokens": policy.given[sample["doc_id"]].tokens,
            "cut": policy.given[sample["doc_id"]].cut,
            "metric": metric,
            "score": score,
        }
        for sample, score in zip(samples, scores, strict=True)
    ]
    figures = {
        name.split(",")[0]: value for name, value in reversed(found["results"][leaf].items())
    }  # the first filter's
    own = figures.get(metric)
    notes = [f"{leaf}: lmms-eval reports {len(errors)} errors while it scores, such as: {errors[0]}"] if errors else []
    return Measured(
        tables.from_rows(rows, tables.BENCHMARK_ANSWERS),
        metric,
        loaded.higher_is_better().get(metric) is not False,
        float(own) if isinstance(own, int | float) else None,
        notes,
    )


def _scores(task: Task, leaf: str, loaded: Any, samples: Sequence[Mapping[str, Any]]) -> tuple[str, list[float]]:
    """The task's metric that is compared, and the score of each question."""
    known: dict[str, Any] = loaded.aggregation()
    for metric in known if task.metric is None else [task.metric]:
        scores = [_score(sample.get(metric), known.get(metric)) for sample in samples]
        if samples and all(score is not None for score in scores):
            return metric, [score for score in scores if score is not None]
    raise CannotMeasure(
        f"{leaf}: gives no score to single questions, so a model and its base cannot be compared on them"
        + (f" (metrics: {', '.join(known)})" if samples else ": it has no questions")
    )


def _score(value: Any, aggregate: Any) -> float | None:
    """One question's score: a number, lmms-eval's field `score`, or what the task's aggregation makes of it alone."""
    if isinstance(value, Mapping) and isinstance(value.get("score"), int | float):
        value = value["score"]
    if isinstance(value, bool | int | float):
        return float(value)
    if value is None or aggregate is None or "args" in inspect.signature(aggregate).parameters:
        return _marked(value)
    try:
        found = aggregate([copy.deepcopy(value)])
    except Exception:  # an aggregation that needs all questions
        return None
    return float(found) if isinstance(found, bool | int | float) else None


def _marked(value: Any) -> float | None:
    """Right or wrong as MathVista's task marks it."""
    mark = value.get("true_false") if isinstance(value, Mapping) else None
    return float(mark) if isinstance(mark, bool) else None


def _text(value: Any) -> str:
    return (
        value
        if isinstance(value, str)
        else _text(value[0])
        if isinstance(value, list) and len(value) == 1
        else f"{value}"
    )


def _without_functions(text: str) -> str:
    """A task's YAML without the lines that name Python functions. The task's parts do not depend on them."""
    return "\n".join(line for line in text.splitlines() if "!function" not in line)
