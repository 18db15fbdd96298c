"""What a worker does with its tasks, and what is refused before any begins."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.core.engines import open_engine
from stages.core.engines.base import Engine, Queue, Request, Sampling, Tally
from stages.core.engines.fake import FakeEngine
from stages.core.engines.fleet import processes
from stages.core.engines.fleet.host import EngineHost
from stages.core.engines.fleet.lane import Lane
from stages.core.engines.fleet.processes import ProcessWorker, process_workers
from stages.core.engines.fleet.worker import Reply, Worker
from stages.core.errors import InputError, VzError
from stages.core.recipe import Recipe
from tests.core.engines.fleet import engines
from tests.helpers import fake_recipe

TWO = "rollout.executor.workers=2"
SAMPLING = Sampling(temperature=1.0, top_p=1.0, max_tokens=9, min_tokens=0, repetition_penalty=1.0)


def request(place: int, n: int = 1) -> Request:
    return Request((place, 0), [{"role": "user", "content": []}], [], n, 7, SAMPLING, "current")


def hosted(opener: Any = engines.fake) -> EngineHost:
    host = EngineHost()
    assert host.call("open", opener, fake_recipe()).result(30).failure is None
    host.call("load", "current", "a", "v").result(30)
    return host


def test_a_host_answers_requests_while_others_are_under_way():
    host = hosted(lambda recipe: engines.Meeting())
    first = host.call("generate", [request(0)])
    second = host.call("generate", [request(1)])
    assert len(second.result(30).value[0]) == len(first.result(30).value[0]) == 1
    host.call("close").result(30)


def test_a_host_loads_while_requests_are_under_way():
    host = hosted(lambda recipe: engines.Meeting())
    first = host.call("generate", [request(0)])
    assert host.call("load", "other", "b", "w").result(30).failure is None
    assert not first.done()
    host.call("generate", [request(1)])
    assert first.result(30).failure is None


def test_a_host_says_what_its_engine_has_done():
    host = hosted()
    host.call("generate", [request(0, 3), request(1, 2)]).result(30)
    tally = host.call("generate", [request(2)]).result(30).tally
    assert tally.completions == 6


def failing(error: Exception) -> Reply:
    """The reply of a host whose engine does not open, as it comes out of another process."""

    def opener(recipe: Recipe) -> Engine:
        raise error

    reply = EngineHost().call("open", opener, fake_recipe()).result(30)
    travelled: Reply = pickle.loads(pickle.dumps(reply))
    return travelled


class Peculiar(InputError):
    """As many of Python's own and of libraries: made of something else than its message."""

    def __init__(self, row: int, column: str) -> None:
        super().__init__(f"row {row}, column {column}: is off")


def test_an_error_whose_exception_cannot_travel_arrives_as_its_message():
    with pytest.raises(TypeError):
        pickle.loads(pickle.dumps(Peculiar(3, "a")))
    failure = failing(Peculiar(3, "a")).failure
    assert failure is not None
    error = failure.error()
    assert isinstance(error, InputError) and str(error) == "row 3, column a: is off"


def test_an_error_inside_a_worker_is_named_and_its_place_shown_to_debuggers():
    failure = failing(ZeroDivisionError("by hand")).failure
    assert failure is not None
    error = failure.error()
    assert error.exit_code == 1 and "ZeroDivisionError: by hand" in str(error)
    assert "in opener" in "".join(error.__notes__) and "in opener" not in str(error)


def test_a_host_gives_errors_back():
    reply = hosted().call("generate", [request(0), Request((1, 0), [], [], 1, 7, SAMPLING, "judge")]).result(30)
    assert reply.failure is not None
    error = reply.failure.error()
    assert isinstance(error, InputError) and "judge" in str(error)


def test_workers_share_the_gpus_that_vz_may_use(monkeypatch: pytest.MonkeyPatch):
    recipe = fake_recipe("rollout.engine=transformers", "rollout.executor.workers=3")

    def names() -> list[str | None]:
        return [worker._gpu for worker in process_workers(recipe)]

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-7")
    assert names() == ["4", "GPU-7", "4"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    for count, expected in ((2, ["0", "1", "0"]), (0, [None] * 3)):
        torch = SimpleNamespace(cuda=SimpleNamespace(device_count=lambda count=count: count))
        monkeypatch.setattr(processes, "require", lambda *_, torch=torch: torch)
        assert names() == expected


def test_a_worker_sees_its_gpu_alone():
    worker = ProcessWorker("GPU-7")
    worker.start().result(60)
    reply = worker.call("open", engines.visible_gpus, fake_recipe()).result(60)
    worker.stop()
    assert reply.failure is not None and "RuntimeError: GPU-7" in reply.failure.message


def test_a_process_that_is_killed_is_noticed_and_can_be_started_again():
    worker = ProcessWorker(None)
    where = worker.start().result(60)
    os.kill(int(where.removeprefix("process ")), signal.SIGKILL)
    with pytest.raises(BrokenProcessPool):
        while True:
            worker.call("generate", []).result(60)
    worker.stop()
    assert worker.start().result(60) != where
    worker.stop()
    worker.stop()
    with pytest.raises(BrokenProcessPool):
        worker.call("generate", [])


class Scripted(Worker):
    """Runs a host in this process; its lives end as the script says."""

    died = (ConnectionError,)
    unfit = (ImportError,)
    at_once = False

    def __init__(self, *lives: str) -> None:
        self.lives = list(lives)
        self.asked: list[list[int]] = []

    def start(self) -> Future[str]:
        self.life = self.lives.pop(0)
        self.host = EngineHost()
        started: Future[str] = Future()
        if self.life == "stillborn":
            started.set_exception(ConnectionError("gone"))
        elif self.life == "lacks vz":
            started.set_exception(ImportError("a long way down\n\nNo module named 'stages'"))
        elif self.life != "waits for room":
            started.set_result("here")
        return started

    def call(self, task: str, *arguments: Any) -> Future[Reply]:
        if task == self.life.removeprefix("dies at "):
            raise ConnectionError("gone")
        if task == "generate":
            self.asked.append([one.order[0] for one in arguments[0]])
        return self.host.call(task, *arguments)

    def stop(self) -> None:
        self.life = "stopped"


def lane_of(worker: Worker, *overrides: str) -> tuple[Lane, Tally]:
    tally = Tally()
    return Lane(1, worker, engines.fake, fake_recipe(TWO, *overrides), tally), tally


def test_a_lane_sends_what_waits_as_one_call_in_the_order_of_games():
    worker = Scripted("lives")
    lane, tally = lane_of(worker)

    async def play() -> Queue:
        await lane.start()
        await lane.load("current", "a", "v")
        tasks = [asyncio.ensure_future(lane.generate(request(place, 2))) for place in (3, 1, 2)]
        await asyncio.sleep(0)
        waiting = lane.queue()
        await asyncio.gather(*tasks)
        return waiting

    assert asyncio.run(play()) == Queue(0, 6)
    assert worker.asked == [[1, 2, 3]]
    alone = FakeEngine()
    alone.load("current", "a", "v")
    for place in (1, 2, 3):
        asyncio.run(alone.generate(request(place, 2)))
    assert tally == alone.tally


@pytest.mark.parametrize("at", ["stillborn", "dies at open", "dies at load", "dies at generate"])
def test_a_lane_mends_a_death_at_any_task(at: str, capsys: pytest.CaptureFixture[str]):
    lane, tally = lane_of(Scripted(at, "lives"))

    async def play() -> None:
        await lane.start()
        await lane.load("current", "a", "v")
        assert len(await lane.generate(request(1, 2))) == 2

    asyncio.run(play())
    assert (tally.restarts, tally.completions) == (1, 2)
    assert capsys.readouterr().err.count("started again") == 1


def test_a_new_life_gets_those_policies_that_are_asked_for_as_they_were_last():
    worker = Scripted("lives", "lives")
    lane, _ = lane_of(worker)

    async def play() -> list[str]:
        await lane.start()
        for policy, version in (("current", "v1"), ("rival", "v1"), ("played long ago", "v1"), ("current", "v2")):
            await lane.load(policy, "a", version)
        worker.life = "dies at generate"
        await asyncio.gather(lane.generate(request(1)), lane.generate(replace(request(2), policy="rival")))
        return sorted(f"{policy} {version}" for policy, version in worker.host._engine._versions.items())

    assert asyncio.run(play()) == ["current v2", "rival v1"]


def test_a_worker_for_which_there_is_no_room_is_not_awaited_for_ever():
    lane, _ = lane_of(Scripted("waits for room"), "rollout.executor.startup_seconds=0.05")
    with pytest.raises(VzError, match="worker 1 did not start within 0.05 s; is there room for 2 workers"):
        asyncio.run(lane.start())


def test_a_place_that_lacks_vz_says_so():
    lane, _ = lane_of(Scripted("lacks vz"))
    with pytest.raises(
        InputError, match="worker 1: vz does not run .* the same vz installed: No module named 'stages'"
    ):
        asyncio.run(lane.start())


@pytest.mark.parametrize("how", [SystemExit(3), KeyboardInterrupt()])
def test_an_engine_that_ends_its_thread_is_a_failure_and_no_endless_wait(how: BaseException):
    def ending(recipe: Recipe) -> Engine:
        raise how

    reply = EngineHost().call("open", ending, fake_recipe()).result(10)
    assert reply.failure is not None and type(how).__name__ in reply.failure.message


@pytest.mark.parametrize(
    ("overrides", "remedy"),
    [
        (("rollout.engine=vllm", "deterministic=false"), "rollout.vllm.data_parallel"),
        (("rollout.engine=server",), "rollout.server.requests"),
        (("rollout.engine=server", "rollout.executor.kind=ray"), "rollout.server.requests"),
        (("threads=null", "rollout.executor.kind=ray"), "set threads=1"),
    ],
)
def test_workers_that_would_not_help_are_refused(overrides: tuple[str, ...], remedy: str):
    with pytest.raises(InputError, match=remedy):
        open_engine(fake_recipe(TWO, *overrides))


@pytest.mark.parametrize("deterministic", ["true", "false"])
def test_the_number_of_workers_is_no_part_of_what_a_result_depends_on(deterministic: str):
    one, two = (fake_recipe(f"deterministic={deterministic}", *more) for more in ((), (TWO,)))
    assert one.settings("rollout") == two.settings("rollout")


def test_a_whole_block_goes_to_one_worker(tmp_path: Path):
    def lanes(recipe: Recipe) -> list[int]:
        with open_engine(recipe) as engine:
            return [engine.lane(place) for place in range(8)]

    assert lanes(fake_recipe(TWO, "rollout.concurrent_games=3")) == [0, 0, 0, 1, 1, 1, 0, 0]
    assert lanes(fake_recipe(TWO, "rollout.concurrent_games=3", "deterministic=false")) == [0, 1] * 4
