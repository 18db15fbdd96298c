"""Runs the tasks of a benchmark, one policy after the other. Answers come from the cache or from an engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from stages.benchmark.asking import ENGINE_NAMES, Asked
from stages.benchmark.cache import Cache, Measured
from stages.benchmark.harness import CannotMeasure, tasks_of
from stages.benchmark.stage import with_room
from stages.benchmark.suites import JUDGE_KEYS, JUDGE_SETTINGS, Task
from stages.core.engines import Engine, open_engine
from stages.core.folder.content import content_hash, version_of
from stages.core.recipe import Recipe

POLICIES = ("base", "model")
Place = str | Path
Answers = dict[tuple[str, str], Measured]  # by policy and single task


class Session:
    """Measures one task after the other. The engine opens when there is a question to ask, with one policy at a time.

    A lent engine has both policies, and keeps them.
    """

    def __init__(
        self,
        recipe: Recipe,
        places: Mapping[str, Place],
        cache: Path,
        settings: Mapping[str, Any],
        lent: Engine | None,
    ) -> None:
        folder = recipe.benchmark.tasks_folder
        self._recipe, self._places, self._cache, self._settings = recipe, places, Cache(cache), settings
        self._hashes = {policy: content_hash(place) for policy, place in places.items()}
        self._harness, self.tasks = tasks_of(recipe)
        self._own, self._template = (
            None if path is None else content_hash(Path(path)) for path in (folder, recipe.model.chat_template)
        )
        self._lent, self._engine = lent, lent
        self._loaded: str | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def measure_all(self) -> tuple[Answers, dict[str, str]]:
        """Both policies' answers to every task, and why the other tasks were left out, by the name of the task."""
        measured: Answers = {}
        failed = {task.name: reason for task in self.tasks if (reason := _lacks_judge(task))}
        for policy in POLICIES:
            for task, leaves in self.tasks.items():
                try:
                    if task.name not in failed:
                        measured |= {(policy, leaf): self._measure(task, leaf, policy) for leaf in leaves}
                except CannotMeasure as error:
                    failed[task.name] = str(error).removeprefix(f"{task.name}: ")
        return measured, failed

    def _measure(self, task: Task, leaf: str, policy: str) -> Measured:
        decisive = {
            "settings": {**self._settings, "benchmark": {**self._settings["benchmark"], "suite": None}},
            "model": self._hashes[policy],
            "chat template": self._template,
            "task": leaf,
            "metric": task.metric,
            "judge": {name: os.environ.get(name) for name in JUDGE_SETTINGS} if task.judged else None,
            "tasks folder": self._own if leaf in self._harness.own else None,
        }
        key = self._cache.key(decisive)
        if (known := self._cache.read(key)) is not None:
            return known
        asked = Asked(self._engine_with, policy, self._recipe, self._cache.journal(key))
        measured = self._harness.measure(task, leaf, asked, self._recipe.benchmark.questions)
        self._cache.write(key, measured, decisive)
        return measured

    def _engine_with(self, policy: str) -> Engine:
        """The engine with the weights of this policy. Only a lent engine keeps the other policy's as well."""
        if self._engine is None:
            self._engine = self._stack.enter_context(open_engine(with_room(self._recipe)))
        if self._loaded != policy:
            if self._loaded is not None and self._lent is None:
                self._engine.unload(ENGINE_NAMES[self._loaded])
            self._engine.load(ENGINE_NAMES[policy], self._places[policy], version_of(self._places[policy]))
            self._loaded = policy
        return self._engine


def _lacks_judge(task: Task) -> str | None:
    if not task.judged or any(os.environ.get(name) for name in JUDGE_KEYS):
        return None
    return (
        f"a judge reads its answers: set {' or '.join(JUDGE_KEYS)}, and OPENAI_API_URL for your own server "
        "(docs/benchmarks.md)"
    )
