"""lmms-eval's part of a benchmark without lmms-eval: one task, `toy`, whose questions are about no picture.

Everything else is real: the session, the cache, the engine, the tables.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from stages.benchmark.cache import Measured
from stages.benchmark.suites import chosen
from stages.core import tables
from stages.core.errors import InputError
from stages.core.recipe import Recipe

TASK = "toy"
SECOND_HAND = ("asking", "harness", "session")  # modules of stages.benchmark that import lmms-eval


class FakeHarness:
    own: frozenset[str] = frozenset()

    def measure(self, task: Any, leaf: str, policy: Any, questions: int) -> Measured:
        policy.task_dict = {leaf: {"test": range(questions)}}
        say = lambda number: [{"role": "user", "content": [{"type": "text", "text": f"colour {number} ?"}]}]  # noqa: E731
        asked = [
            SimpleNamespace(args=("", say, {"temperature": 0}, number, leaf, "test"), task_name=leaf, doc_id=number)
            for number in range(questions)
        ]
        answers = [given.text for given in policy.generate_until(asked)]
        rows: list[dict[str, object]] = [
            {
                "task": leaf, "question_id": number, "question_sha256": f"{number}", "prompt": f"colour {number} ?",
                "target": "red", "answer": answer, "tokens": 3, "cut": False, "metric": "right",
                "score": float("red" in answer),
            }
            for number, answer in enumerate(answers)
        ]  # fmt: skip
        return Measured(tables.from_rows(rows, tables.BENCHMARK_ANSWERS), "right", True, None, [])


def tasks_of(recipe: Recipe) -> tuple[FakeHarness, dict[Any, list[str]]]:
    tasks = chosen(recipe.benchmark.suite)
    for task in tasks:
        if task.name != TASK:
            raise InputError(f"'{task.name}' is neither a suite nor a task of lmms-eval")
    return FakeHarness(), {task: [task.name] for task in tasks}


@contextmanager
def fake_lmms_eval(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Puts the fake in lmms-eval's place."""
    made: dict[str, dict[str, Any]] = {"lmms_eval": {}, "lmms_eval.api": {}, "lmms_eval.api.model": {"lmms": _Model}}
    made["lmms_eval.api.instance"] = {"GenerationResult": _Result, "Instance": object, "TokenCounts": SimpleNamespace}
    made["stages.benchmark.harness"] = {"CannotMeasure": type("CannotMeasure", (Exception,), {}), "tasks_of": tasks_of}
    known = {name: sys.modules.pop(f"stages.benchmark.{name}", None) for name in SECOND_HAND}
    for name, body in made.items():
        module = ModuleType(name)
        vars(module).update(body)
        monkeypatch.setitem(sys.modules, name, module)
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "0" if name == "lmms_eval" else version(name))
    yield
    for name, module in known.items():
        sys.modules.pop(f"stages.benchmark.{name}", None)
        if module is not None:
            sys.modules[f"stages.benchmark.{name}"] = module


class _Model:
    pass


class _Result(SimpleNamespace):
    def __init__(self, text: str, counts: Any) -> None:
        super().__init__(text=text, counts=counts)
