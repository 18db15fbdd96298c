"""The `benchmark` section: which published benchmarks to run, and how many of their questions."""

from __future__ import annotations

from pydantic import Field

from stages.core.recipe.base import ContentField, Section


class Benchmark(Section):
    """lmms-eval tasks that a model and its base answer."""

    suite: tuple[str, ...] = Field(
        ("quick",),
        min_length=1,
        description="Suites (paper, reasoning, charts, vision, quick), and lmms-eval's tasks, groups or tags by name.",
    )
    tasks_folder: str | None = ContentField(
        None, description="Folder with your own tasks in lmms-eval's format; null: only lmms-eval's tasks."
    )
    questions: int | None = Field(
        None, ge=1, description="Number of questions per task, starting with the first; null: all."
    )
    max_new_tokens: int = Field(
        4096,
        ge=1,
        description="Longest answer in tokens; tasks with a lower limit keep it. lmms-eval's default for tasks "
        "without a limit is 4,096; its reasoning tasks allow up to 49,152.",
    )
