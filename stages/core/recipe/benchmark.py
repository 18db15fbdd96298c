"""The `benchmark` section: which published benchmarks to run, and how much of them."""

from __future__ import annotations

from pydantic import Field

from stages.core.recipe.base import ContentField, Section


class Benchmark(Section):
    """Tasks of lmms-eval, asked of a model and its base."""

    suite: tuple[str, ...] = Field(
        ("quick",),
        min_length=1,
        description="Suites (paper, reasoning, charts, vision, quick), and tasks, groups or tags of lmms-eval by name.",
    )
    tasks_folder: str | None = ContentField(
        None, description="A folder with tasks of your own in lmms-eval's format; null: only those of lmms-eval."
    )
    questions: int | None = Field(None, ge=1, description="Questions of each task, from its first on; null: all.")
    max_new_tokens: int = Field(
        4096,
        ge=1,
        description="Longest answer in tokens; tasks that allow fewer keep their limit. lmms-eval's default for tasks "
        "without one is 4,096; its reasoning tasks allow up to 49,152.",
    )
