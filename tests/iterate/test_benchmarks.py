"""Benchmarks inside a run (`evaluate.benchmarks`), with a fake in lmms-eval's place."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from stages import iterate, report
from stages.core.engines.base import Request
from stages.core.engines.fake import FakeEngine, plausible
from stages.core.errors import InputError
from stages.core.folder.content import version_of
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of
from stages.export.history import read_history
from stages.export.model_card import About, model_card
from stages.track.record import read_record
from tests.benchmark.fake import fake_lmms_eval
from tests.cli import vz
from tests.helpers import fake_recipe

ASKED = ("evaluate.every=2", "evaluate.benchmarks=[toy]", "evaluate.benchmark_questions=6", "evaluate.games=2")
NO_OTHERS = ("evaluate.transcripts=0", "evaluate.questions=0", "iterate.games=2", "iterate.keep_checkpoints=9")


def recipe(rounds: int, *overrides: str) -> Recipe:
    return fake_recipe(*ASKED, *NO_OTHERS, f"iterate.rounds={rounds}", *overrides)


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with fake_lmms_eval(monkeypatch):
        yield


class Answers(FakeEngine):
    """Knows the answer when it has other weights than the run's base, and counts what each was asked."""

    def __init__(self) -> None:
        super().__init__(self._say)
        self.asked: Counter[str] = Counter()
        self.base = version_of(place_of(recipe(1).model.path))

    def _say(self, request: Request, sample: int) -> str:
        if not request.about.startswith("toy, question"):
            return plausible(request, sample)
        version = self.version(request.policy)
        self.asked[version] += 1
        return "blue" if version == self.base else "red"


def test_a_run_asks_its_base_once_and_each_checkpoint_on_the_same_questions(
    games: Path, tmp_path: Path, harness: None
) -> None:
    engine = Answers()
    run = iterate.run(recipe(4), tmp_path / "run", games=games, engine=engine).out
    folders = [run / f"round-{number:04d}/benchmark" for number in (0, 2, 4)]
    rows = [json.loads((folder / "benchmark.json").read_text())["tasks"][0] for folder in folders]
    assert [(row["samples"], row["base"], row["model"]) for row in rows] == [(6, 0, 0), (6, 0, 1), (6, 0, 1)]
    checkpoints = [version_of(run / f"round-{number:04d}/checkpoint") for number in (2, 4)]
    assert engine.asked == {engine.base: 6, **dict.fromkeys(checkpoints, 6)}
    asked = [pl.read_parquet(folders[1] / f"{who}.parquet")["question_sha256"].to_list() for who in ("base", "model")]
    assert asked[0] == asked[1]
    assert len(list(run.glob("round-*/benchmark"))) == 3


def test_its_tables_are_in_trackers_the_report_and_the_models_card(games: Path, tmp_path: Path, harness: None) -> None:
    run = iterate.run(recipe(2), tmp_path / "run", games=games, engine=Answers()).out
    assert read_record(run, 2).figures["benchmark/toy.difference"] == 1
    page = report.run(run, games=0).out.read_text()
    assert "After round 2" in page and "+100.0 … +100.0" in page
    assert 'aria-label="toy: difference 0.0 (round 0) to 100.000 (round 2)"' in page
    history = read_history(run / "round-0002/checkpoint")
    card = model_card(About("owner/name", False, history, [], "mit", False))
    assert "| `toy` | `right` | 6 | 0.0 | 100.0 | +100.0 |" in card
    assert "benchmark" in vz("inspect", run / "round-0002").stdout


def test_a_continued_run_may_ask_other_benchmarks(games: Path, tmp_path: Path, harness: None) -> None:
    iterate.run(recipe(2), tmp_path / "run", games=games, engine=Answers())
    other = recipe(4, "evaluate.benchmark_questions=3", "benchmark.max_new_tokens=8")
    run = iterate.run(other, tmp_path / "run", games=games, engine=Answers()).out
    found = [json.loads((run / f"round-{number:04d}/benchmark/benchmark.json").read_text()) for number in (2, 4)]
    assert [each["questions"] for each in found] == [6, 3]


def test_without_lmms_eval_a_run_is_refused_at_once(
    games: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lmms_eval", None)
    with pytest.raises(InputError) as refused:
        iterate.run(recipe(2), tmp_path / "run", games=games)
    assert str(refused.value) == (
        "evaluate.benchmarks: this needs the package 'lmms_eval', which is not installed: "
        "pip install 'vz-selfplay[benchmark]', or leave it empty"
    )
    assert not (tmp_path / "run").exists()


def test_an_unknown_benchmark_is_refused_at_once(games: Path, tmp_path: Path, harness: None) -> None:
    with pytest.raises(InputError, match="'nothing' is neither a suite nor a task"):
        iterate.run(recipe(2, "evaluate.benchmarks=[nothing]"), tmp_path / "run", games=games)
    assert not (tmp_path / "run").exists()


def test_benchmarks_without_evaluations_are_refused() -> None:
    with pytest.raises(InputError, match=r"set evaluate\.every, or use vz benchmark"):
        recipe(2, "evaluate.every=0")
