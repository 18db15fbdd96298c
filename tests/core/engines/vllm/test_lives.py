"""Deaths of the engine and of vz, and Ctrl-C: finished games are kept, none is lost or played twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import polars as pl
import pytest
import torch

from stages import rollout
from stages.core import tables
from stages.core.errors import VzError
from stages.core.recipe import Recipe, load
from tests.core.engines.vllm.world import ONE_ENGINE, VLLM, Asker, recomputed
from tests.helpers import write_games

pytestmark = [pytest.mark.vllm, ONE_ENGINE]

GAMES = 60
SMALL = ["rollout.concurrent_games=8", "rollout.save_seconds=0", "game.clue_rounds=1"]


@pytest.fixture(scope="module")
def settings(model: Path) -> list[str]:
    return [*VLLM, *SMALL, f"model.path={model}"]


@pytest.fixture(scope="module")
def recipe(vllm_recipe: Recipe, settings: list[str]) -> Recipe:
    return load("tiny", settings)


@pytest.fixture(scope="module")
def games(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_games(tmp_path_factory.mktemp("vllm") / "games", recipe, count=GAMES, side=72)


@pytest.fixture(scope="module")
def undisturbed(recipe: Recipe, games: Path, asker: Asker, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    folder = tmp_path_factory.mktemp("undisturbed") / "rollouts"
    return what_was_said(rollout.run(recipe, games, folder, split=None, engine=asker.engine).out)


def what_was_said(folder: Path) -> pl.DataFrame:
    rows = tables.read_parts(folder, tables.ROLLOUTS)
    return rows.select(*tables.KEY, "completion", "completion_ids", "clue", "vote", "seed")


def command(games: Path, out: Path, settings: list[str]) -> list[str]:
    options = [part for setting in settings for part in ("--set", setting)]
    arguments = ["rollout", str(games), "--out", str(out), "--split", "all", "--recipe", "tiny", *options]
    return [sys.executable, "-m", "vzcli", *arguments]


def engines_of(pid: int) -> list[int]:
    """The processes that a process has started, and those that these have."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listed.splitlines())}
    found = [child for child, parent in parents.items() if parent == pid]
    return found + [grandchild for child in found for grandchild in engines_of(child)]


def kill(engines: Iterable[int]) -> None:
    for engine in engines:
        with suppress(ProcessLookupError):  # among them is the very `ps` that listed them
            os.kill(engine, signal.SIGKILL)


def alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"no {what} within {seconds} s"
        time.sleep(0.05)


def journal_files(out: Path) -> int:
    return len(list((out.with_name(f".{out.name}.partial") / "journal").glob("*.parquet")))


def test_a_killed_engine_is_started_again_and_a_second_death_keeps_the_finished_games(
    recipe: Recipe,
    games: Path,
    asker: Asker,
    undisturbed: pl.DataFrame,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
):
    from stages.core.engines.vllm import VllmEngine

    others, restarts = set(engines_of(os.getpid())), []

    class Killing(VllmEngine):
        async def generate(self, request):  # type: ignore[no-untyped-def]
            if request.order in {(20, 1), (50, 1)}:
                restarts.append(self.tally.restarts)
                kill(set(engines_of(os.getpid())) - others)
            return await super().generate(request)

    with pytest.raises((VzError, ExceptionGroup)) as failed, Killing(recipe) as engine:
        rollout.run(recipe, games, tmp_path / "out", split=None, engine=engine)
    assert "died a second time" in str(failed.getrepr())
    assert restarts == [0, 1] and "is restarting" in capfd.readouterr().err
    report = rollout.run(recipe, games, tmp_path / "out", split=None, engine=asker.engine)
    # Eight games are in play at once, so most of these were finished after the first death.
    assert report.counts["finished_before"] >= 50 - 8
    assert what_was_said(report.out).equals(undisturbed)


def test_an_engine_that_died_while_idle_still_takes_new_weights(
    vllm_recipe: Recipe, model: Path, other_model: Path, asker: Asker, capfd: pytest.CaptureFixture[str]
):
    request = asker.request(0)
    asker.engine.load("current", model, "v1")
    before = asker.ask([request])
    kill(engines_of(os.getpid()))
    asker.engine.load("current", other_model, "v2")
    ((completion,),) = asker.ask([request])
    assert torch.tensor(completion.logprobs) == pytest.approx(
        recomputed(other_model, vllm_recipe, request, completion), abs=1e-4
    )
    assert [[completion]] != before and asker.engine.tally.restarts == 1
    assert "died and is restarting" in capfd.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_our_own_death_loses_nothing_and_leaves_no_process(
    how: signal.Signals,
    recipe: Recipe,
    games: Path,
    asker: Asker,
    settings: list[str],
    undisturbed: pl.DataFrame,
    tmp_path: Path,
):
    out = tmp_path / "out"
    process = subprocess.Popen(command(games, out, settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: journal_files(out) >= 3 or process.poll() is not None, 300, "finished game")
    assert process.poll() is None, process.communicate()[1]
    engines = engines_of(process.pid)
    process.send_signal(how)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == (130 if how == signal.SIGINT else -how)
    assert "Traceback" not in errors
    wait_for(lambda: not any(alive(pid) for pid in engines), 60, "end of the engine's processes")
    assert engines
    saved = journal_files(out)
    again = rollout.run(recipe, games, out, split=None, engine=asker.engine)
    assert again.counts["finished_before"] >= saved >= 3
    assert what_was_said(out).equals(undisturbed)


def test_ctrl_c_while_the_engine_starts_ends_it_and_leaves_no_process(games: Path, settings: list[str], tmp_path: Path):
    process = subprocess.Popen(command(games, tmp_path / "out", settings), stderr=subprocess.PIPE, text=True,
                               start_new_session=True)  # fmt: skip
    wait_for(lambda: bool(engines_of(process.pid)), 120, "engine")
    engines = engines_of(process.pid)
    for _ in range(3):  # one is lost where it comes while vLLM launches the process
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        with suppress(subprocess.TimeoutExpired):
            _, errors = process.communicate(timeout=20)
            break
    assert process.returncode == 130, errors
    wait_for(lambda: not any(alive(pid) for pid in engines), 60, "end of the engine's processes")


@pytest.mark.parametrize("name", ["empty", "tiny-model"])
def test_a_model_that_vllm_cannot_play_is_named(games: Path, settings: list[str], tmp_path: Path, name: str):
    (tmp_path / "empty").mkdir()
    place = str(tmp_path / "empty") if name == "empty" else name  # the tiny model's features are others in vLLM
    line = [*command(games, tmp_path / "out", settings), "--model", place]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and name in done.stderr and "Traceback" not in done.stderr
