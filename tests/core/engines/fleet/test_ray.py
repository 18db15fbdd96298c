"""Workers on a real Ray cluster of this machine."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from stages import rollout
from stages.core.engines.base import Request, Sampling
from stages.core.engines.fleet import FleetEngine
from stages.core.engines.fleet import cluster as cluster_module
from stages.core.engines.fleet.cluster import Actor
from stages.core.errors import InputError, VzError
from stages.core.pictures import Picture
from stages.core.recipe import load
from tests.core.engines.fleet import engines
from tests.core.engines.fleet.test_fleet import BLOCKS, REAL, ROOT, left, play, played
from tests.helpers import fake_recipe, write_games

RAY = [BLOCKS, "rollout.executor.kind=ray"]
TWO = [*RAY, "rollout.executor.workers=2"]

HEAD = """
import logging, sys, ray
ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level=logging.ERROR)
print(ray.get_runtime_context().gcs_address, flush=True)
for _ in sys.stdin:
    print(len([node for node in ray.nodes() if node["Alive"]]), flush=True)
"""


def needs_ray() -> None:
    if importlib.util.find_spec("ray") is None:  # not imported: Ray reads its variables when it is
        pytest.skip("Ray is not installed: pip install 'vz-selfplay[ray]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[subprocess.Popen[str]]:
    """A cluster that is not vz's own. A line on its stdin makes it say how many machines it has."""
    needs_ray()
    paths = {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}  # where actors find the tests' engines
    head = subprocess.Popen([sys.executable, "-c", HEAD], env={**os.environ, **paths}, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)  # fmt: skip
    with head:
        yield head
        assert head.stdin is not None
        head.stdin.close()


@pytest.fixture(scope="module")
def address(cluster: subprocess.Popen[str]) -> str:
    assert cluster.stdout is not None
    return cluster.stdout.readline().strip()


@pytest.fixture
def joined(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    (tmp_path / "flags").mkdir()
    return tmp_path / "flags"


@pytest.fixture
def one_process(games: Path, tmp_path: Path) -> bytes:
    return played(rollout.run(fake_recipe(BLOCKS), games, tmp_path / "one", split=None).out)


@pytest.mark.usefixtures("joined")
def test_killed_actors_lose_nothing_and_a_cluster_that_is_not_ours_stays(
    games: Path, tmp_path: Path, flags: Path, cluster: subprocess.Popen[str], one_process: bytes
):
    report = play(fake_recipe(*TWO), games, tmp_path / "two", partial(engines.mortal, flags, 1))
    assert report.timings["restarts"] == 1
    assert played(report.out) == one_process
    assert cluster.stdin is not None and cluster.stdout is not None
    print("still there?", file=cluster.stdin, flush=True)
    assert cluster.stdout.readline() == "1\n"


@pytest.mark.slow
@pytest.mark.usefixtures("joined")
def test_nothing_of_ray_is_printed(games: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    rollout.run(fake_recipe(*TWO), games, tmp_path / "two", split=None)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@pytest.mark.usefixtures("joined")
def test_when_no_restart_is_left_finished_games_are_kept(games: Path, tmp_path: Path, flags: Path, one_process: bytes):
    recipe = fake_recipe(*TWO, "rollout.executor.restarts=0")
    with pytest.raises(VzError, match="worker . .*, process .* died, after 0 restarts"):
        play(recipe, games, tmp_path / "out", partial(engines.mortal, flags, 9))
    report = play(recipe, games, tmp_path / "out")
    assert played(report.out) == one_process


@pytest.mark.slow
@pytest.mark.usefixtures("joined")
def test_an_actors_bad_input_ends_the_stage_as_in_one_process(games: Path, tmp_path: Path):
    picture = next((games / "images").glob("*_original.png"))
    picture.unlink()
    with pytest.raises(InputError, match=f"{picture}: the picture cannot be read") as raised:
        play(fake_recipe(*TWO), games, tmp_path / "two", engines.looking)
    assert raised.value.exit_code == 2


@pytest.mark.usefixtures("joined")
def test_more_workers_than_there_is_room_for_are_refused():
    with pytest.raises(InputError, match=r"has 2 CPUs, but 3 workers with 1 each need 3: .*rollout.executor.workers"):
        FleetEngine(fake_recipe(*RAY, "rollout.executor.workers=3"), engines.fake)
    with pytest.raises(InputError, match=r"has 0 GPUs, but 1 workers with 0.5 each need 0.5"):
        FleetEngine(fake_recipe(*RAY, "rollout.executor.gpus=0.5"), engines.fake)


@pytest.mark.slow
@pytest.mark.usefixtures("joined")
def test_actors_with_a_real_engine_give_the_bytes_of_one_process(
    games: Path, tmp_path: Path, random_model: Path, flags: Path
):
    models = {"current": random_model}
    one = rollout.run(fake_recipe(*REAL), games, tmp_path / "one", models=models)
    recipe = fake_recipe(*REAL, *TWO)
    with FleetEngine(recipe, partial(engines.mortal_model, flags)) as engine:
        two = rollout.run(recipe, games, tmp_path / "two", models=models, engine=engine)
        assert engine.tally.restarts == 1
    assert played(one.out) == played(two.out)


@pytest.mark.vllm
@pytest.mark.usefixtures("joined")
def test_a_killed_actor_with_vllm_loses_no_game(tmp_path: Path, flags: Path):
    pytest.importorskip("vllm", reason="needs vLLM: make test-vllm")
    from tests.core.engines.vllm.world import VLLM, build_model

    recipe = load("tiny", [*VLLM, "rollout.executor.kind=ray", "rollout.concurrent_games=4", "rollout.save_every=1"])
    games = write_games(tmp_path / "games", recipe, count=10, side=56)
    (tmp_path / "model").mkdir()
    models = {"current": build_model(tmp_path / "model")}
    with FleetEngine(recipe, partial(engines.mortal_vllm, flags)) as engine:
        report = rollout.run(recipe, games, tmp_path / "out", split=None, models=models, engine=engine)
        assert engine.tally.restarts == 1
    assert report.counts["games"] == 10 and report.counts["rows"] == 10 * (8 + 8)
    key = pl.read_parquet(report.out / "part-*.parquet").select("game_id", "turn", "sample")
    assert key.is_unique().all()


def test_a_cluster_that_does_not_answer_is_named():
    needs_ray()
    with pytest.raises(InputError, match=r"no Ray cluster can be joined at 127.0.0.1:1: .*refused"):
        FleetEngine(fake_recipe(*RAY, "rollout.executor.address=127.0.0.1:1"), engines.fake)


@pytest.mark.slow
@pytest.mark.parametrize("how", [None, signal.SIGINT, signal.SIGKILL])
def test_a_cluster_of_our_own_ends_with_us(games: Path, tmp_path: Path, how: signal.Signals | None):
    needs_ray()
    engine = "fake" if how is None else "never"
    script = f"""
from pathlib import Path
from stages import rollout
from stages.core.engines.fleet import FleetEngine
from tests.core.engines.fleet import engines
from tests.helpers import fake_recipe

class Told(FleetEngine):
    async def generate(self, request):
        if request.order == (0, 0):
            print("playing", flush=True)
        return await super().generate(request)

recipe = fake_recipe(*{TWO})
with Told(recipe, engines.{engine}) as engine:
    rollout.run(recipe, Path("{games}"), Path("{tmp_path / "out"}"), engine=engine)
"""
    paths = {"PYTHONPATH": str(ROOT)}
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | paths
    driver = subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, start_new_session=True, text=True)  # fmt: skip
    assert driver.stdout is not None and driver.stdout.readline() == "playing\n"
    if how == signal.SIGINT:
        os.killpg(driver.pid, how)
    elif how == signal.SIGKILL:
        driver.kill()
    said, complained = driver.communicate(timeout=120)
    assert driver.returncode == -(how or 0), complained
    assert said == "" and complained.count("KeyboardInterrupt\n") == (how == signal.SIGINT)
    # Two small agents of Ray look for their cluster for up to two minutes after a kill -9; none of them holds an engine.
    assert left(driver.pid, but="Agent" if how == signal.SIGKILL else None) == []


def refusal(task: str, *arguments: object) -> str:
    """What an actor on a machine of the cluster says to a task."""
    reply = asyncio.run(Actor(0, version("vz-selfplay")).call(task, *arguments))
    assert reply.failure is not None and reply.failure.exit_code == 2
    return reply.failure.message


def test_a_machine_that_does_not_see_a_folder_says_so():
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=9, min_tokens=0, repetition_penalty=1.0)
    picture = Picture(Path("/nowhere/games"), "a.png", None)
    model = refusal("load", "current", Path("/nowhere/model"), "v")
    games = refusal("generate", [Request((0, 0), [], [picture], 1, 7, sampling, "current")])
    assert "/nowhere/model" in model and "does not see this model folder" in model and "they share" in model
    assert "/nowhere/games" in games and "does not see this games folder" in games and "they share" in games


def test_a_worker_without_a_gpu_of_its_own_is_refused_where_there_are_some(monkeypatch: pytest.MonkeyPatch):
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: True))
    monkeypatch.setattr(cluster_module, "require", lambda *_: torch)
    recipe = fake_recipe("rollout.engine=transformers")
    assert "rollout.executor.gpus is 0" in refusal("open", engines.fake, recipe)
