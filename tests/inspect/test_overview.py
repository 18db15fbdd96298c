"""`vz` alone and `vz inspect`: every kind of folder is described, and what they advise works."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from stages import evaluate, iterate
from stages.core.folder.files import read_json, write_json
from stages.core.folder.locking import locked
from stages.inspect import look
from stages.inspect.overview import overview
from stages.inspect.view import View
from stages.view.server import serving
from tests.cli import vz
from tests.helpers import FAKE, fake_recipe, manifest_of_stage
from tests.report.runs import write_benchmark

FAST = [option for override in FAKE for option in ("--set", override)]
TAKES_SETTINGS = {"rollout", "train", "iterate", "evaluate"}
RECIPE = fake_recipe("iterate.rounds=2", "iterate.games=3", "evaluate.games=4", "evaluate.split=train")


class Stopped(Exception):
    """What a test stops a run with."""


@pytest.fixture
def here(games: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder that holds `games`, with settings like those of the recipe tiny."""
    monkeypatch.chdir(tmp_path)
    manifest = read_json(games / "manifest.json")
    manifest["settings"]["games"] = {"layout": "grid", "domain": None}
    write_json(games / "manifest.json", manifest)
    return games.resolve().parent


@pytest.fixture
def stopped(here: Path) -> Path:
    """A run of two rounds that was stopped after the first one."""

    def stop(metrics: object, timings: object) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        iterate.run(RECIPE, here / "runs/one", games=here / "games", on_round=stop)
    return here / "runs/one"


def follow(command: str, *, fast: bool = True) -> None:
    """Run a command that was advised."""
    program, *words = shlex.split(command)
    if words[0] == "view":  # goes on until it is interrupted
        with serving([Path(words[1])]):
            return
    if words[0] == "benchmark":  # lmms-eval has an environment of its own
        words.append("--dry-run")
    done = vz(*words, *(FAST if fast and words[0] in TAKES_SETTINGS else []))
    assert program == "vz" and done.returncode == 0, f"{command}: {done.stderr}"


def test_advice_leads_from_games_to_a_checkpoint(here: Path) -> None:
    """Of every output, each command that is advised works, and one of them makes the next output."""
    for name in ("games", "rollouts", "scored", "kept", "checkpoint"):
        for command in [*overview(here / name, 5).next]:
            follow(command)
    view = overview(here, 20)
    kinds = dict(zip(view.tables["here"]["where"], view.tables["here"]["what"], strict=True))
    assert {name: kinds[name] for name in ("games", "rollouts", "scored", "kept", "checkpoint", "runs/tiny")} == {
        "games": "games", "rollouts": "rollouts", "scored": "scores", "kept": "kept rows", "checkpoint": "checkpoint",
        "runs/tiny": "run",
    }  # fmt: skip


def test_a_stopped_run_is_continued_by_the_command_that_is_advised(stopped: Path) -> None:
    for view in (overview(Path(), 5), overview(stopped, 5)):
        assert "vz iterate --recipe runs/one/recipe.yaml --games games --out runs/one" in view.next
    assert overview(Path(), 5).tables["here"].row(0, named=True)["holds"] == "1 of 2 rounds"
    follow(next(iter(overview(stopped, 5).next)), fast=False)
    assert overview(stopped, 5).facts["state"] == "finished"
    for command in overview(stopped, 5).next:
        follow(command)


def test_a_run_that_is_going_on_is_not_to_be_continued(stopped: Path) -> None:
    with locked(stopped):
        assert overview(stopped, 5).facts["state"] == "being written"
        assert not [command for command in overview(Path(), 5).next if command.startswith("vz iterate")]


def test_a_round_shows_its_figures_and_steps(stopped: Path) -> None:
    view = overview(stopped / "round-0001", 5)
    assert view.tables["steps"]["what"].to_list() == ["dealt games", "rollouts", "scores", "kept rows", "checkpoint"]
    assert view.facts["phase"] == "decision" and view.facts["seconds"]["rollout"] >= 0
    assert "winner" in look.transcript(stopped / "round-0001", "1").facts
    shutil.rmtree(stopped / "round-0001/scored")
    (stopped / "round-0001/round.json").unlink()
    (stopped / "round-0001/kept").rename(stopped / "round-0001/.kept.partial")
    (stopped / "round-0001/.kept.partial/manifest.json").unlink()
    (stopped / "round-0001/.kept.partial/.claim.json").write_text('{"stage": "filter", "inputs": {}}')
    view = overview(stopped / "round-0001", 5)
    assert view.facts == {"state": "not finished"}
    assert (
        dict(zip(view.tables["steps"]["what"], view.tables["steps"]["state"], strict=True))["kept rows"] == "unfinished"
    )
    assert "unfinished output of 'filter'" in overview(stopped / "round-0001/.kept.partial", 5).title


def test_parts_of_outputs_say_whose_they_are(here: Path) -> None:
    view = overview(here / "games/images", 5)
    assert view.title.endswith(f"a part of {here / 'games'}, which is an output of 'make-games'")
    assert view.facts["files"] == len(list((here / "games/images").iterdir()))
    out = evaluate.run(RECIPE, here / "games", here / "evaluation").out
    for command in overview(out, 5).next:
        follow(command)
    assert {"games.parquet"} <= overview(out / "spy", 5).tables.keys()


def test_a_run_leads_to_the_view_and_to_benchmarks_and_these_to_a_models_card(stopped: Path) -> None:
    commands = [*overview(stopped, 5).next]
    assert "vz view runs/one" in commands
    assert "vz benchmark runs/one --recipe runs/one/recipe.yaml --suite quick --out runs/one-benchmark" in commands
    folder = write_benchmark(Path("runs/one-benchmark"))
    inputs = {"model": {"path": "../one/round-0001/checkpoint", "sha256": ""}}
    write_json(
        folder / "manifest.json",
        manifest_of_stage("benchmark", inputs=inputs, counts=read_json(folder / "benchmark.json")),
    )
    export = "vz export runs/one/round-0001/checkpoint --to model --results runs/one-benchmark --out runs/model"
    assert export in overview(folder, 5).next


def test_a_model_that_vz_did_not_make_is_known(
    random_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = shutil.copytree(random_model, tmp_path / "theirs")
    (model / "manifest.json").unlink(missing_ok=True)
    view = overview(model, 5)
    assert view.title.endswith("model that vz did not make") and view.facts == {"type": "llava"}
    assert any(command.endswith("--base BASE --suite quick --out benchmark") for command in view.next)
    assert overview(tmp_path, 5).tables["here"].row(0)[:3] == ("model", "theirs", "llava")


def test_vz_alone_says_what_lies_here(here: Path) -> None:
    done = vz()
    assert done.returncode == 0 and "games" in done.stdout and "vz rollout games --recipe tiny" in done.stdout
    (here / "empty").mkdir()
    done = vz(cwd=here / "empty")
    assert done.returncode == 0 and "contains no output of vz" in done.stdout and "vz make-games" in done.stdout


def test_what_cannot_be_read_is_passed_over(here: Path) -> None:
    for name, text in {"broken": "{", "other": "[]", "strange": json.dumps({"stage": "score", "counts": 7})}.items():
        (here / name).mkdir()
        (here / name / "manifest.json").write_text(text)
    view: View = overview(here, 9)
    assert sorted(view.tables["here"]["where"]) == ["games", "strange"]
