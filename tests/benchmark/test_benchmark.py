"""vz benchmark where lmms-eval is not asked: suites, the cache, the table of figures, errors before any work."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from stages.benchmark.cache import Cache, Measured
from stages.benchmark.stage import compared
from stages.benchmark.suites import SUITES, chosen
from stages.core import tables
from stages.core.errors import InputError, VzError
from stages.core.folder.artifact import Outcome, produce
from stages.core.folder.files import write_json
from stages.core.pages.results import benchmark_verdict, evaluation_verdict
from stages.core.recipe.load import load, shared_folder
from stages.core.recipe.model import Model
from stages.core.vlm.lineage import base_of
from tests.cli import vz
from tests.helpers import manifest_of_stage


def measured(task: str, scores: list[float], own: float | None = None, metric: str = "right") -> Measured:
    rows: list[dict[str, object]] = [
        {
            "task": task, "question_id": number, "question_sha256": f"{number}", "prompt": "?", "target": "a",
            "answer": "a", "tokens": 3, "cut": number == 0, "metric": metric, "score": score,
        }
        for number, score in enumerate(scores)
    ]  # fmt: skip
    return Measured(tables.from_rows(rows, tables.BENCHMARK_ANSWERS), metric, True, own, [])


def tasks(**leaves: list[str]) -> dict[SimpleNamespace, list[str]]:
    return {_Named(name): parts for name, parts in leaves.items()}


class _Named(SimpleNamespace):
    def __init__(self, name: str) -> None:
        super().__init__(name=name)

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.name)


def test_the_papers_suite_has_the_benchmarks_of_its_three_tables():
    assert [len(SUITES[name]) for name in ("reasoning", "charts", "vision", "paper")] == [6, 7, 6, 19]
    assert {"MathVista", "ChartQA", "BLINK"} <= SUITES["paper"].keys()


def test_suites_and_tasks_mix_and_each_is_asked_once():
    names = [task.name for task in chosen(["chartqa", "charts", "my_task"])]
    assert names[0] == "chartqa" and names.count("chartqa") == 1 and names[-1] == "my_task" and len(names) == 8
    assert chosen(["chartqa"])[0].metric == "relaxed_overall"  # by its own name it is the same task


def test_a_group_is_compared_over_the_questions_of_its_parts():
    found = {
        ("base", "a"): measured("a", [0, 0, 1, 1]), ("model", "a"): measured("a", [1, 0, 1, 1]),
        ("base", "b"): measured("b", [0, 0]), ("model", "b"): measured("b", [1, 0]),
    }  # fmt: skip
    figures, warnings = compared(tasks(both=["a", "b"]), found, {}, load())
    (row,) = figures["tasks"]
    assert (row["task"], row["samples"], row["wins"], row["losses"]) == ("both", 6, 2, 0)
    assert (row["base"], row["model"], row["cut"]) == (
        pytest.approx(2 / 6),
        pytest.approx(4 / 6),
        {"base": 2, "model": 2},
    )
    assert warnings == [] and figures["note"] == ""


def test_a_verdict_names_tasks_whose_interval_excludes_zero():
    rows = [("a", 0.1, 0.3, 5, 1), ("b", -0.1, 0.3, 5, 4), ("c", -0.3, -0.1, 0, 9), ("errors", -0.3, -0.1, 9, 0)]
    named = [
        {"task": name, "difference_interval": [low, high], "wins": wins, "losses": losses}
        for name, low, high, wins, losses in rows
    ]
    assert benchmark_verdict({"tasks": named}) == "better: a, errors; no difference shown: b; worse: c"
    figures = {
        "arena": {"win_rate": 0.6, "win_rate_interval": [0.4, 0.8]},
        "transfer": {"change_interval": [-0.2, -0.1]},
    }
    assert evaluation_verdict(figures) == (
        "games against the opponent: no difference shown; questions outside the game: worse"
    )


def test_what_was_not_measured_is_in_the_figures_and_in_a_warning():
    found = {("base", "a"): measured("a", [0]), ("model", "a"): measured("a", [1])}
    recipe = load("tiny", ["benchmark.questions=1"])
    figures, warnings = compared(tasks(a=["a"], far=["far"]), found, {"far": "its data cannot be loaded"}, recipe)
    assert figures["failed"] == [{"task": "far", "reason": "its data cannot be loaded"}]
    assert warnings == ["far was not measured: its data cannot be loaded"]
    assert figures["note"] == "Only the first 1 questions of each task. Not measured: far."
    with pytest.raises(VzError, match="far cannot be measured: no network"):
        compared(tasks(far=["far"]), {}, {"far": "no network"}, recipe)


def test_a_figure_of_lmms_eval_that_is_no_mean_is_told():
    found = {("base", "a"): measured("a", [1, 0], own=50.0), ("model", "a"): measured("a", [1, 0], own=0.2)}
    _, warnings = compared(tasks(a=["a"]), found, {}, load())
    assert len(warnings) == 1 and "0.5; lmms-eval's own figure, 0.2, weights questions" in warnings[0]


def test_the_cache_returns_what_it_got_and_nothing_for_anything_else(tmp_path: Path):
    cache, decisive = Cache(tmp_path / "cache"), {"task": "a", "model": "1"}
    key, kept = cache.key(decisive), measured("a", [0, 1], own=0.5)
    assert cache.read(key) is None and key != cache.key({**decisive, "model": "2"})
    cache.journal(key).write_text("[]\n")
    cache.write(key, kept, decisive)
    found = cache.read(key)
    assert found is not None and found.answers.equals(kept.answers)
    assert (found.metric, found.own_score, found.notes) == ("right", 0.5, [])
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == [key]


def test_inspect_shows_the_table(tmp_path: Path):
    found = {("base", "a"): measured("a", [0, 1]), ("model", "a"): measured("a", [1, 1])}
    figures, warnings = compared(tasks(a=["a"]), found, {}, load())

    def make(work: Path) -> Outcome:
        tables.write(found["model", "a"].answers, work / "model.parquet", tables.BENCHMARK_ANSWERS)
        return Outcome(figures, warnings)

    produce(tmp_path / "benchmark", stage="benchmark", settings={}, inputs={}, make=make)
    words = vz("inspect", tmp_path / "benchmark").stdout.split()
    assert words[(at := words.index("right") - 1) : at + 6] == ["a", "right", "2", "50.0", "100.0", "+50.0"]


def test_without_lmms_eval_the_message_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "lmms_eval", None)
    done = vz("benchmark", "tiny-model", "--out", tmp_path / "out")
    assert done.returncode == 2 and "pip install 'vz-selfplay[benchmark]'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_dry_run_needs_nothing(tmp_path: Path):
    done = vz("benchmark", "runs/x", "--suite", "charts", "--suite", "mmmu_val", "-n", "50", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0 and "- charts\n  - mmmu_val" in done.stdout.replace("    ", "  ")
    assert "questions: 50" in done.stdout


def checkpoint(folder: Path, stage: str, **inputs: str) -> Path:
    folder.mkdir(parents=True)
    recorded = {name: {"path": path, "sha256": ""} for name, path in inputs.items()}
    write_json(folder / "manifest.json", manifest_of_stage(stage, inputs=recorded))
    return folder


def test_the_base_is_the_one_that_training_recorded(tmp_path: Path):
    base = shutil.copytree(shared_folder("data") / "tiny-model", tmp_path / "base")
    trained = checkpoint(tmp_path / "run" / "checkpoint", "train", base="../../base", kept="../kept")
    exported = checkpoint(tmp_path / "exported", "export", checkpoint="../run/checkpoint")
    on_hub = checkpoint(tmp_path / "other", "train", base="owner/name")
    assert [base_of(place, Model()) for place in (trained, exported, on_hub)] == [base, base, "owner/name"]


@pytest.mark.parametrize("recorded", [{}, {"base": "../gone"}])
def test_an_unknown_base_is_asked_for(recorded: dict[str, str], tmp_path: Path):
    with pytest.raises(InputError, match="with --base"):
        base_of(checkpoint(tmp_path / "checkpoint", "train", **recorded), Model())


def test_answers_have_the_columns_of_the_schema():
    frame = measured("a", [0.0]).answers
    assert tables.check(frame, tables.BENCHMARK_ANSWERS, "answers").columns == list(tables.BENCHMARK_ANSWERS)
    assert isinstance(frame, pl.DataFrame)
