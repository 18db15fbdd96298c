"""What a worker does with its calls, in this process."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Coroutine
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.core.engines.base import Request, Sampling
from stages.core.engines.fleet import worker as worker_module
from stages.core.engines.fleet.worker import Policies, Reply, Worker
from stages.core.errors import InputError, VzError
from stages.core.pictures import Picture
from stages.core.recipe import Recipe
from tests.core.engines.fleet import engines
from tests.helpers import fake_recipe

SAMPLING = Sampling(temperature=1.0, top_p=1.0, max_tokens=9, min_tokens=0, repetition_penalty=1.0)
CURRENT: Policies = {"current": ("a", "v1")}


def request(place: int, n: int = 1, pictures: tuple[Picture, ...] = ()) -> Request:
    return Request((place, 0), [{"role": "user", "content": []}], list(pictures), n, 7, SAMPLING, "current")


def worker_of(opener: Any = engines.fake, recipe: Recipe | None = None, vz: str = version("vz-selfplay")) -> Worker:
    return Worker(opener, recipe or fake_recipe(), vz, 0)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    async def bounded() -> Any:
        return await asyncio.wait_for(work, 30)

    return asyncio.run(bounded())


def test_a_worker_loads_and_answers_while_other_requests_are_under_way():
    async def play() -> list[Reply]:
        worker = worker_of(lambda recipe: engines.Meeting())
        first = asyncio.create_task(worker.generate([request(0)], CURRENT))
        await worker.load({"other": ("b", "w")})
        assert not first.done()
        return [await worker.generate([request(1)], CURRENT), await first]

    assert [len(reply.answers) for reply in run(play())] == [1, 1]


def test_a_worker_reports_what_its_engine_has_done_since_the_reply_before():
    async def play() -> list[int]:
        worker = worker_of()
        replies = [await worker.generate(asked, CURRENT) for asked in ([request(0, 3), request(1, 2)], [request(2)])]
        return [reply.done.completions for reply in replies]

    assert run(play()) == [5, 1]


def test_a_call_loads_another_version_of_its_policy():
    async def play() -> list[str]:
        worker = worker_of()
        for versions in (CURRENT, {"current": ("a", "v2")}, {"current": ("a", "v2"), "rival": ("b", "v1")}):
            await worker.generate([request(0)], versions)
        return [f"{name} {worker._engine.version(name)}" for name in ("current", "rival")]

    assert run(play()) == ["current v2", "rival v1"]


class Peculiar(InputError):
    """As many of Python's own errors and of libraries: made of something else than its message."""

    def __init__(self, row: int, column: str) -> None:
        super().__init__(f"row {row}, column {column}: is off")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (Peculiar(3, "a"), InputError, "row 3, column a: is off"),
        (ZeroDivisionError("by hand"), VzError, "ZeroDivisionError: by hand"),
        (SystemExit(3), VzError, "SystemExit: 3"),
        (KeyboardInterrupt(), VzError, "KeyboardInterrupt"),
    ],
)
def test_any_error_of_an_engine_can_go_to_another_process(error: BaseException, kind: type[VzError], message: str):
    def opener(recipe: Recipe) -> Any:
        raise error

    with pytest.raises(VzError) as raised:
        run(worker_of(opener).load({}))
    received = pickle.loads(pickle.dumps(raised.value))
    assert type(received) is kind and message in str(received)


def test_a_machine_that_cannot_see_a_folder_says_so():
    picture = Picture(Path("/nowhere/games"), "a.png", None)
    with pytest.raises(InputError, match="/nowhere/model: .*cannot see this model folder.*shared file system"):
        run(worker_of().load({"current": (Path("/nowhere/model"), "v")}))
    with pytest.raises(InputError, match="/nowhere/games: .*cannot see this games folder.*shared file system"):
        run(worker_of().generate([request(0, pictures=(picture,))], CURRENT))


def test_a_machine_with_another_vz_is_refused():
    with pytest.raises(InputError, match="but vz 0.0.0 started the command: install the same version"):
        run(worker_of(vz="0.0.0").load({}))


def test_a_worker_without_a_gpu_of_its_own_is_refused_where_there_are_some(monkeypatch: pytest.MonkeyPatch):
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: True))
    monkeypatch.setattr(worker_module, "require", lambda *_: torch)
    with pytest.raises(InputError, match="has GPUs, but rollout.executor.gpus is 0"):
        run(worker_of(recipe=fake_recipe("rollout.engine=transformers")).load({}))
