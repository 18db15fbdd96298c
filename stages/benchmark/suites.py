"""Suites: the benchmarks of the paper's tables, by their names in lmms-eval."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# Environment variables that tell lmms-eval where to find a judge. A judged task needs one of the keys.
JUDGE_KEYS = ("OPENAI_API_KEY", "AZURE_API_KEY")
JUDGE_SETTINGS = ("API_TYPE", "OPENAI_API_URL", "AZURE_ENDPOINT", "MODEL_VERSION")


@dataclass(frozen=True)
class Task:
    """A task, group or tag of lmms-eval, and the metric to compare."""

    name: str
    metric: str | None = None  # None: the first of the task's metrics that every question has
    judged: bool = False  # a model behind a server reads or scores the answers


# The benchmarks of the paper's tables, which used VLMEvalKit. Where lmms-eval has several versions, the one nearest to
# VLMEvalKit's.
REASONING = {
    "MathVista": Task("mathvista_testmini_format", "llm_as_judge_eval", judged=True),
    "MathVision": Task("mathvision_test", "mathvision_standard_eval"),
    "WeMath": Task("wemath_testmini_reasoning", "acc_score"),
    "MathVerse": Task("mathverse_testmini_vision_only", "gpt_eval_score", judged=True),
    "LogicVista": Task("logicvista_reasoning", "acc_score"),
    "DynaMath": Task("dynamath_reasoning", "dynamath_average"),
}
CHARTS = {
    "AI2D": Task("ai2d", "exact_match"),
    "ChartQA": Task("chartqa", "relaxed_overall"),
    "TextVQA": Task("textvqa_val", "exact_match"),
    "DocVQA": Task("docvqa_val", "anls"),
    "InfoVQA": Task("infovqa_val", "anls"),
    "OCRBench": Task("ocrbench", "ocrbench_accuracy"),
    "SEEDBench2": Task("seedbench_2_plus", "seedbench_2_plus_all"),
}
VISION = {
    "RealWorldQA": Task("realworldqa", "exact_match"),
    "MMVP": Task("mmvp", "mmvp_accuracy"),
    "MMStar": Task("mmstar", "average"),
    "BLINK": Task("blink", "blink_acc"),
    "MuirBench": Task("muirbench", "muirbench_score_overall"),
    "CRPE": Task("crpe_relation", "exact_match"),
}
# Short answers, no judge. lmms-eval made the subsets ..._lite.
QUICK = {
    "ChartQA": Task("chartqa_lite", "relaxed_overall"),
    "AI2D": Task("ai2d_lite", "exact_match"),
    "InfoVQA": Task("infovqa_val_lite", "anls"),
    "RealWorldQA": Task("realworldqa", "exact_match"),
    "MMVP": Task("mmvp", "mmvp_accuracy"),
}
SUITES = {
    "paper": REASONING | CHARTS | VISION,
    "reasoning": REASONING,
    "charts": CHARTS,
    "vision": VISION,
    "quick": QUICK,
}
_KNOWN = {task.name: task for suite in SUITES.values() for task in suite.values()}


def chosen(names: Iterable[str]) -> list[Task]:
    """The tasks of suites and of single names, each once, in order."""
    found: dict[str, Task] = {}
    for name in names:
        for task in SUITES[name].values() if name in SUITES else (_KNOWN.get(name, Task(name)),):
            found.setdefault(task.name, task)
    return list(found.values())
