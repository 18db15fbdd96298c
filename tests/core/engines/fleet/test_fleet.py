"""Workers on a real Ray cluster: the bytes of one process, deaths, errors, and nothing left behind."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from stages import rollout
from stages.core.engines import open_engine
from stages.core.engines.fleet import FleetEngine, lane
from stages.core.errors import InputError, VzError
from stages.core.folder.artifact import Report
from stages.core.recipe import Recipe, load
from tests.core.engines.fleet import engines
from tests.helpers import fake_recipe, write_games

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray: pip install ray")

ROOT = Path(__file__).resolve().parents[4]
BLOCKS = "rollout.concurrent_games=2"  # of 10 games: 5 blocks
TWO = [BLOCKS, "rollout.executor.workers=2"]
REAL = [BLOCKS, "rollout.engine=transformers", "game.prompts=compact", "rollout.max_clue_tokens=5",
        "rollout.max_vote_tokens=3"]  # fmt: skip

HEAD = """
import logging, sys, ray
ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level=logging.ERROR)
print(ray.get_runtime_context().gcs_address, flush=True)
for _ in sys.stdin:
    print(len([node for node in ray.nodes() if node["Alive"]]), flush=True)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[subprocess.Popen[str]]:
    """A cluster that is not vz's own. A line on its stdin makes it say how many machines it has."""
    paths = {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}  # where workers find the tests' engines
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
    """Where workers note their deaths."""
    (tmp_path / "flags").mkdir()
    return tmp_path / "flags"


@pytest.fixture
def one_process(games: Path, tmp_path: Path) -> bytes:
    return played(rollout.run(fake_recipe(BLOCKS), games, tmp_path / "one", split=None).out)


def play(recipe: Recipe, games: Path, out: Path, opener: Any = engines.fake, **options: Any) -> Report:
    with FleetEngine(recipe, opener) as engine:
        return rollout.run(recipe, games, out, engine=engine, **{"split": None, **options})


def played(out: Path) -> bytes:
    return b"".join(part.read_bytes() for part in sorted(out.glob("part-*.parquet")))


@pytest.mark.usefixtures("joined")
def test_workers_compute_together_what_one_process_would(games: Path, tmp_path: Path):
    one = rollout.run(fake_recipe(BLOCKS), games, tmp_path / "one", split=None, engine=engines.Batching())
    two = play(fake_recipe(*TWO), games, tmp_path / "two", engines.batching)
    assert played(one.out) == played(two.out)
    other = fake_recipe("rollout.concurrent_games=3")
    three = rollout.run(other, games, tmp_path / "three", split=None, engine=engines.Batching())
    assert played(one.out) != played(three.out)  # so the answers of this engine depend on its batches


@pytest.mark.usefixtures("joined")
def test_killed_workers_lose_nothing_and_a_cluster_that_is_not_ours_stays(
    games: Path,
    tmp_path: Path,
    flags: Path,
    cluster: subprocess.Popen[str],
    one_process: bytes,
    capfd: pytest.CaptureFixture[str],
):
    report = play(fake_recipe(*TWO), games, tmp_path / "two", partial(engines.mortal, flags, 2))
    assert pl.read_parquet(report.out / "part-*.parquet")["game_id"].n_unique() == report.counts["games"] == 10
    assert played(report.out) == one_process
    assert report.timings["restarts"] == 2 and report.timings["retries"] >= 2
    out, err = capfd.readouterr()
    said = [line for line in err.splitlines() if not line.startswith("playing: ")]  # once a minute
    assert out == "" and len(said) == 2 and all("died; Ray restarted it" in line for line in said)
    assert cluster.stdin is not None and cluster.stdout is not None
    print("still there?", file=cluster.stdin, flush=True)
    assert cluster.stdout.readline() == "1\n"


@pytest.mark.usefixtures("joined")
def test_when_no_restart_is_left_finished_games_are_kept(
    games: Path, tmp_path: Path, flags: Path, one_process: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("stages.core.engines.fleet.cluster.RESTARTS", 0)
    recipe = fake_recipe(*TWO)
    with pytest.raises(VzError, match="worker . .*process.* died more than . times.*Finished games are kept") as raised:
        play(recipe, games, tmp_path / "out", partial(engines.mortal, flags, 9))
    assert raised.value.exit_code == 1
    report = play(recipe, games, tmp_path / "out")
    assert report.counts["finished_before"] >= 2
    assert played(report.out) == one_process


@pytest.mark.usefixtures("joined")
def test_bad_input_in_a_worker_ends_the_stage_as_in_one_process(games: Path, tmp_path: Path):
    missing = next((games / "images").glob("*_original.png"))
    missing.unlink()
    with pytest.raises(InputError) as expected:
        rollout.run(fake_recipe(BLOCKS), games, tmp_path / "one", split=None, engine=engines.Looking())
    with pytest.raises(InputError) as raised:
        play(fake_recipe(*TWO), games, tmp_path / "two", engines.looking)
    assert str(missing) in str(raised.value)
    assert (str(raised.value), raised.value.exit_code) == (str(expected.value), 2)
    assert "in generate" in "".join(raised.value.__notes__)  # for --debug: where in the worker
    assert not (tmp_path / "two").exists()


@pytest.mark.usefixtures("joined")
def test_a_worker_that_does_not_start_in_time_is_an_error(games: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lane, "START_TIMEOUT", 0.5)
    with (
        FleetEngine(fake_recipe(*TWO), engines.stuck) as engine,
        pytest.raises(VzError, match="worker 1 did not start within 0.5 s; is there room for 2 workers"),
    ):
        engine.load("current", games, "v1")


@pytest.mark.usefixtures("joined")
def test_more_workers_than_the_cluster_has_room_for_are_refused():
    with pytest.raises(InputError, match=r"has 2 CPUs, but 3 workers with 1 each need 3: .*rollout.executor.workers"):
        FleetEngine(fake_recipe("rollout.executor.workers=3"), engines.fake)
    with pytest.raises(InputError, match=r"has 0 GPUs, but 2 workers with 0.5 each need 1"):
        FleetEngine(fake_recipe(*TWO, "rollout.executor.gpus=0.5"), engines.fake)


def test_a_cluster_that_does_not_answer_is_named():
    with pytest.raises(InputError, match=r"cannot join a Ray cluster at 127.0.0.1:1: .*refused"):
        FleetEngine(fake_recipe("rollout.executor.address=127.0.0.1:1"), engines.fake)


@pytest.mark.usefixtures("joined")
def test_a_whole_block_goes_to_one_worker():
    def lanes(*overrides: str) -> list[int]:
        recipe = fake_recipe("rollout.executor.workers=2", "rollout.concurrent_games=3", *overrides)
        with open_engine(recipe) as engine:
            return [engine.lane(place) for place in range(8)]

    assert lanes() == [0, 0, 0, 1, 1, 1, 0, 0]
    assert lanes("deterministic=false") == [0, 1] * 4


@pytest.mark.parametrize(
    ("overrides", "remedy"),
    [(("rollout.engine=server",), "rollout.server.requests"), (("threads=null",), "set threads=1")],
)
def test_workers_that_would_not_help_are_refused(overrides: tuple[str, ...], remedy: str):
    with pytest.raises(InputError, match=remedy):
        open_engine(fake_recipe("rollout.executor.workers=2", *overrides))


@pytest.mark.slow
@pytest.mark.usefixtures("joined")
def test_killed_workers_of_a_real_engine_give_the_bytes_of_one_process(
    games: Path, tmp_path: Path, random_model: Path, flags: Path
):
    models = {"current": random_model}
    one = rollout.run(fake_recipe(*REAL), games, tmp_path / "one", models=models)
    recipe = fake_recipe(*REAL, *TWO)
    opener = partial(engines.mortal_model, flags)
    two = play(recipe, games, tmp_path / "two", opener, models=models, split="train")
    assert two.timings["restarts"] == 1
    assert played(one.out) == played(two.out)


@pytest.mark.vllm
@pytest.mark.usefixtures("joined")
def test_a_killed_worker_with_vllm_loses_no_game(tmp_path: Path, flags: Path):
    pytest.importorskip("vllm", reason="needs vLLM: make test-vllm")
    from tests.core.engines.vllm.world import VLLM, build_model

    recipe = load("tiny", [*VLLM, "rollout.concurrent_games=4", "rollout.save_seconds=0"])
    games = write_games(tmp_path / "games", recipe, count=10, side=56)
    (tmp_path / "model").mkdir()
    models = {"current": build_model(tmp_path / "model")}
    report = play(recipe, games, tmp_path / "out", partial(engines.mortal_vllm, flags), models=models)
    assert report.timings["restarts"] == 1
    assert report.counts["games"] == 10 and report.counts["rows"] == 10 * (8 + 8)
    key = pl.read_parquet(report.out / "part-*.parquet").select("game_id", "turn", "sample")
    assert key.is_unique().all()


@pytest.mark.parametrize(
    "how",
    [signal.SIGINT, pytest.param(None, marks=pytest.mark.slow), pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)  # fmt: skip
def test_a_cluster_of_our_own_listens_on_loopback_and_ends_with_us(
    games: Path, tmp_path: Path, how: signal.Signals | None
):
    engine = "fake" if how is None else "never"
    script = f"""
from pathlib import Path
from stages import rollout
from stages.core.engines.fleet import FleetEngine, lane
from tests.core.engines.fleet import engines
from tests.helpers import fake_recipe

class Reporting(FleetEngine):
    async def generate(self, request):
        if request.order == (0, 0):
            print("playing", flush=True)
        return await super().generate(request)

recipe = fake_recipe(*{TWO})
with Reporting(recipe, engines.{engine}) as engine:
    rollout.run(recipe, Path("{games}"), Path("{tmp_path / "out"}"), engine=engine)
"""
    paths = {"PYTHONPATH": str(ROOT)}
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | paths
    driver = subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, start_new_session=True, text=True)  # fmt: skip
    assert driver.stdout is not None and driver.stdout.readline() == "playing\n"
    addresses = listening(driver.pid)
    assert addresses and all(address.removeprefix("::ffff:").startswith("127.") for address in addresses)
    if how == signal.SIGINT:
        os.killpg(driver.pid, how)  # as a terminal does: to all processes of the command
    elif how == signal.SIGKILL:
        driver.kill()
    out, err = driver.communicate(timeout=120)
    assert driver.returncode == -(how or 0), err
    assert out == "" and err.count("KeyboardInterrupt\n") == (how == signal.SIGINT)
    # Two small agents of Ray look for their cluster for up to two minutes after a kill -9; none of them holds an engine.
    assert left(driver.pid, but="Agent" if how == signal.SIGKILL else None) == []


def listening(pid: int) -> list[str]:
    """The addresses on which a process and its children accept connections."""
    process = psutil.Process(pid)
    found = []
    for each in (process, *process.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            found += [place.laddr.ip for place in each.net_connections("tcp") if place.status == psutil.CONN_LISTEN]
    return found


def left(group: int, but: str | None = None) -> list[str]:
    """The processes of a group that are still there after 20 s."""
    for _ in range(100):
        listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
        fields = [line.split(None, 2) for line in listed.splitlines()]
        found = [args for pgid, state, args in fields if int(pgid) == group and not state.startswith("Z")]
        if not [args for args in found if but is None or but not in args]:
            return []
        time.sleep(0.2)
    return found
