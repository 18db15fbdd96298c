"""vz benchmark with lmms-eval itself, on small tasks of its own format: `make test-benchmark`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages import benchmark, iterate
from stages.core import tables
from stages.core.errors import InputError, VzError
from stages.core.recipe.load import load, shared_folder
from tests.benchmark.world import QUESTIONS, TASKS, questions, write_tasks
from tests.cli import vz
from tests.helpers import write_games

pytestmark = pytest.mark.benchmark
Rows = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def base() -> Path:
    return shared_folder("data") / "tiny-model"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tasks, and a cache that the tests share."""
    folder = tmp_path_factory.mktemp("benchmark")
    write_tasks(folder / "tasks")
    return folder


@pytest.fixture(scope="module")
def taught(base: Path, world: Path) -> Path:
    from tests.benchmark.teaching import teach

    return teach(base, world / "taught")


def run(world: Path, out: Path, **places: Any) -> Rows:
    options = [f"benchmark.suite=[{', '.join(TASKS)}]", f"benchmark.tasks_folder={world / 'tasks'}"]
    report = benchmark.run(load("tiny", options), out, **{"cache": world / "cache", **places})
    assert report.warnings == []
    return {row["task"]: row for row in json.loads((out / "benchmark.json").read_text())["tasks"]}


def covers_zero(row: dict[str, Any]) -> bool:
    low, high = row["difference_interval"]
    return bool(low <= 0 <= high)


def test_a_base_against_itself_shows_no_difference(base: Path, world: Path, tmp_path: Path):
    copy = shutil.copytree(base, tmp_path / "copy")
    (copy / "README.md").write_text("the same weights")  # another content, so it is asked itself
    rows = run(world, tmp_path / "out", model=copy, base=base)
    assert [row["samples"] for row in rows.values()] == [QUESTIONS] * 3
    assert all(covers_zero(row) and row["wins"] == row["losses"] == 0 for row in rows.values())


def test_a_model_that_learnt_one_task_shows_it_there_and_only_there(
    base: Path, world: Path, taught: Path, tmp_path: Path
):
    rows = run(world, tmp_path / "out", model=taught, base=base)
    low, _ = rows["toy_colour"]["difference_interval"]
    assert low > 0.3 and rows["toy_colour"]["wins"] > 12 and rows["toy_colour"]["p_value"] < 0.001
    assert covers_zero(rows["toy_choice"]) and covers_zero(rows["toy_bars"])


def test_the_answers_are_in_the_tables_and_are_scored_as_they_read(
    taught: Path, base: Path, world: Path, tmp_path: Path
):
    rows = run(world, tmp_path / "out", model=taught, base=base)
    given = tables.read(tmp_path / "out" / "model.parquet", tables.BENCHMARK_ANSWERS)
    asked = {task: list(questions(task, seed=0)) for task in TASKS}
    for row in given.iter_rows(named=True):
        question = asked[row["task"]][row["question_id"]]
        assert (row["prompt"], row["target"]) == (question.question, question.answer)
        assert row["score"] == float(row["answer"].strip() == question.answer)
    shares = dict(given.group_by("task").agg(pl.col("score").mean()).iter_rows())
    assert {task: row["model"] for task, row in rows.items()} == pytest.approx(shares)


def test_a_killed_benchmark_resumes_to_the_same_table(taught: Path, base: Path, world: Path, tmp_path: Path):
    whole = tmp_path / "whole"
    run(world, whole, model=taught, base=base)
    words = ["benchmark", taught, "--base", base, "--out", tmp_path / "killed", "--cache", tmp_path / "cache",
             "--tasks-folder", world / "tasks", "--set", "rollout.concurrent_games=6"]  # fmt: skip
    words += [word for task in TASKS for word in ("--suite", task)]
    command = [sys.executable, "-m", "vzcli", *map(str, words)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wait_for(lambda: finished(tmp_path / "cache") >= 1 and answers_of_unfinished(tmp_path / "cache") >= 6, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = finished(tmp_path / "cache")
    assert 1 <= before < 6 and not (tmp_path / "killed").exists()
    done = vz(*words, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["tasks"] == json.loads((whole / "benchmark.json").read_text())["tasks"]
    for name in ("benchmark.json", "base.parquet", "model.parquet"):
        assert (tmp_path / "killed" / name).read_bytes() == (whole / name).read_bytes(), name
    assert vz(*words).stdout.startswith("benchmark: up to date")
    seen = vz("inspect", tmp_path / "killed").stdout
    assert "better / worse" in seen and "model.parquet" in seen


def wait_for(condition: Any, process: subprocess.Popen[bytes], seconds: float = 900) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end, process.communicate()[0].decode()
        time.sleep(0.01)


def finished(cache: Path) -> int:
    return len([path for path in cache.glob("[!.]*") if path.is_dir()]) if cache.is_dir() else 0


def answers_of_unfinished(cache: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in cache.glob("*.jsonl"))


def test_an_adapter_and_the_model_exported_from_it_answer_alike(base: Path, world: Path, tmp_path: Path):
    from stages.export import export_model
    from tests.families.adapters import adapter_of

    adapter = adapter_of(base, tmp_path / "adapter")
    exported = export_model(str(adapter), tmp_path / "exported").out
    rows = run(world, tmp_path / "one", model=adapter)  # its base is the one it names
    assert rows == run(world, tmp_path / "two", model=exported)
    one, two = (tables.read(tmp_path / name / "model.parquet", tables.BENCHMARK_ANSWERS) for name in ("one", "two"))
    assert one.equals(two)


def test_data_that_cannot_be_fetched_is_left_out_and_told(base: Path, world: Path, tmp_path: Path):
    words = ["benchmark", base, "--base", base, "--suite", "toy_bars", "--suite", "chartqa", "-n", "4", "--cache",
             world / "cache", "--tasks-folder", world / "tasks", "--out", tmp_path / "out"]  # fmt: skip
    done = vz(*words)
    assert done.returncode == 0 and "Only the first 4 questions of each task. Not measured: chartqa." in done.stdout
    assert "warning: chartqa was not measured: its data cannot be loaded: ConnectionError" in done.stderr
    again = vz(*words)
    assert again.returncode == 2 and "use --overwrite to make it again" in again.stderr
    assert vz(*words, "--overwrite").returncode == 0


def test_if_nothing_can_be_measured_the_command_fails_in_one_line(base: Path, world: Path, tmp_path: Path):
    done = vz("benchmark", base, "--base", base, "--suite", "chartqa", "--suite", "mathvista_testmini_format",
              "--cache", tmp_path / "cache", "--out", tmp_path / "out")  # fmt: skip
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("vz:")]
    assert done.returncode == 1 and "its data cannot be loaded" in line and "set OPENAI_API_KEY" in line
    assert not (tmp_path / "out").exists()


def test_a_larger_suite_asks_only_what_is_new(base: Path, world: Path, tmp_path: Path):
    options = ["benchmark.suite=[toy_bars]", f"benchmark.tasks_folder={world / 'tasks'}"]
    places = {"model": base, "base": base, "cache": tmp_path / "cache"}
    benchmark.run(load("tiny", options), tmp_path / "out", **places)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    run(world, tmp_path / "larger", **places)
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    assert len(before) == 1 and len(after) == 3 and before.items() <= after.items()


def test_an_unknown_task_is_an_error_with_the_nearest_name(base: Path, world: Path, tmp_path: Path):
    recipe = load("tiny", ["benchmark.suite=[toy_color]", f"benchmark.tasks_folder={world / 'tasks'}"])
    with pytest.raises(InputError, match=r"'toy_color' is neither a suite .* \(did you mean 'toy_colour'\?\)"):
        benchmark.run(recipe, tmp_path / "out", model=base, base=base, cache=world / "cache")


def test_every_benchmark_of_the_suites_is_a_task_of_lmms_eval():
    from stages.benchmark.harness import Harness
    from stages.benchmark.suites import SUITES

    harness = Harness(None, [])
    leaves = {name: harness.leaves(task.name) for suite in SUITES.values() for name, task in suite.items()}
    assert len(leaves["BLINK"]) == 14 and all(len(found) == 1 for name, found in leaves.items() if name != "BLINK")


def test_code_of_a_task_that_fails_does_not_end_the_others(base: Path, world: Path, tmp_path: Path):
    folder = shutil.copytree(world / "tasks", tmp_path / "tasks")
    task = (folder / "toy_bars.yaml").read_text().replace("task: toy_bars", "task: toy_broken")
    task = task.replace("utils.score", "broken.score")
    (folder / "toy_broken.yaml").write_text(task)
    (folder / "broken.py").write_text("def score(doc, results):\n    raise KeyError('no such field')\n")
    rounds = task.replace("toy_broken", "toy_rounds").replace("generate_until", "generate_until_multi_round")
    (folder / "toy_rounds.yaml").write_text(rounds.replace("broken.score", "utils.score"))
    recipe = load("tiny", ["benchmark.suite=[toy_broken, toy_rounds, toy_bars]", f"benchmark.tasks_folder={folder}"])
    report = benchmark.run(recipe, tmp_path / "out", model=base, base=base, cache=tmp_path / "cache")
    assert [row["task"] for row in report.counts["tasks"]] == ["toy_bars"]
    assert "toy_broken was not measured: lmms-eval fails: KeyError: 'no such field'" in report.warnings[0]
    assert "toy_rounds was not measured: it asks in several rounds" in report.warnings[1]


def test_a_prompt_that_is_too_long_ends_the_command_with_the_remedy(base: Path, world: Path, tmp_path: Path):
    options = [
        "benchmark.suite=[toy_bars]",
        f"benchmark.tasks_folder={world / 'tasks'}",
        "rollout.max_prompt_tokens=16",
    ]
    with pytest.raises(VzError, match=r"toy_bars, question \d+.* rollout.max_prompt_tokens is 16"):
        benchmark.run(load("tiny", options), tmp_path / "out", model=base, base=base, cache=tmp_path / "cache")


def test_a_server_answers_like_any_model(base: Path, world: Path, tmp_path: Path):
    from tests.core.engines.server.chat_server import Call, ChatServer, Reply, as_json, completion, models

    def red(call: Call) -> Reply:
        return models("red") if call.path.endswith("/models") else as_json(completion(call, text="red"))

    with ChatServer(red) as server:
        rows = run(world, tmp_path / "out", model=f"{server.url}#red", base=base)
        pictures = [
            part for body in server.asked() for part in body["messages"][0]["content"] if part["type"] != "text"
        ]
    right = sum(question.answer == "red" for question in questions("toy_colour", seed=0))
    assert right > 0 and rows["toy_colour"]["model"] == right / QUESTIONS and len(pictures) == 3 * QUESTIONS


def test_nothing_is_printed_on_stdout_but_the_report(base: Path, world: Path, tmp_path: Path):
    words = [sys.executable, "-m", "vzcli", "benchmark", base, "--base", base, "--suite", "toy_bars", "-n", "3",
             "--tasks-folder", world / "tasks", "--cache", tmp_path, "--out", tmp_path / "out", "--json"]  # fmt: skip
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=True, env={**os.environ})
    assert json.loads(done.stdout)["counts"]["tasks"][0]["samples"] == 3
    assert "it/s" not in done.stderr  # progress bars of others


def test_a_run_asks_its_base_and_its_checkpoint_the_same_questions(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As `vz benchmark` does: with the run's recipe it finds all answers in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = ["iterate.rounds=1", "iterate.games=2", "iterate.preflight=0", "evaluate.every=1", "evaluate.games=2",
               "evaluate.transcripts=0", "evaluate.questions=0", "evaluate.benchmarks=[toy_bars, toy_colour]",
               "evaluate.benchmark_questions=4", f"benchmark.tasks_folder={world / 'tasks'}"]  # fmt: skip
    recipe = load("tiny", options)
    run = iterate.run(recipe, tmp_path / "run", games=write_games(tmp_path / "games", recipe, count=10)).out
    before, after = (json.loads((run / f"round-000{number}/benchmark/benchmark.json").read_text()) for number in (0, 1))
    assert [row["base"] for row in before["tasks"]] == [row["base"] for row in after["tasks"]]
    assert all(row["wins"] == row["losses"] == 0 and row["samples"] == 4 for row in before["tasks"])
    entries = sorted((tmp_path / "cache/vz/benchmark").iterdir())
    assert len(entries) == 4  # two tasks of the base and of the checkpoint
    done = vz("benchmark", run, "--recipe", run / "recipe.yaml", "--suite", "toy_bars", "--suite", "toy_colour",
              "-n", "4", "--out", tmp_path / "out", "--json")  # fmt: skip
    assert json.loads(done.stdout)["counts"] == after, done.stderr
    assert sorted((tmp_path / "cache/vz/benchmark").iterdir()) == entries
