"""A worker: an ordinary engine in a process of a Ray cluster."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from stages.core.engines.base import Completion, Engine, Request, Tally
from stages.core.errors import InputError, VzError, require
from stages.core.recipe.schema import Recipe

Opener = Callable[[Recipe], Engine]  # Ray imports it by name in every worker
Policies = Mapping[str, tuple[str | Path, str]]  # name → model and version


@dataclass(frozen=True)
class Reply:
    """The result of a call."""

    process: str  # where it ran
    batches: bool  # see `Engine.batches`
    answers: list[list[Completion]]
    done: Tally  # since the previous reply


class Worker:
    """The class that Ray runs. If its process dies, Ray starts another and repeats the open calls.

    So no call relies on an earlier one: each brings the policies that it needs. The engine has its own thread, whose
    event loop pauses only while an order (load, unload, sleep, close) runs. So an engine that streams gets new requests
    while others are still running.
    """

    _engine: Engine
    _loop: asyncio.AbstractEventLoop

    def __init__(self, opener: Opener, recipe: Recipe, vz: str, gpus: float) -> None:
        self._orders: asyncio.Queue[tuple[Callable[[], None], Future[None]]] = asyncio.Queue()
        self._loaded: dict[str, str] = {}
        self._reported = Tally()
        self._opened: Future[None] = Future()
        threading.Thread(target=self._serve, args=(opener, recipe, vz, gpus), daemon=True).start()

    async def load(self, policies: Policies) -> Reply:
        """Load the policies whose version here differs; with no policies, wait until the engine is open."""
        await asyncio.wrap_future(self._opened)
        for name, (model, version_) in policies.items():
            if self._loaded.get(name) != version_:
                _check_visible({model} if isinstance(model, Path) else set(), "model")
                await self._order(lambda name=name, of=(model, version_): self._engine.load(name, *of))  # type: ignore[misc]
                self._loaded[name] = version_
        return self._reply([])

    async def generate(self, requests: Sequence[Request], policies: Policies) -> Reply:
        """Answer all requests at once, so that a batching engine finds them all in its queue."""
        await self.load(policies)
        _check_visible({picture.folder for request in requests for picture in request.pictures}, "games")
        answering = asyncio.run_coroutine_threadsafe(self._answers(requests), self._loop)
        return self._reply(await asyncio.wrap_future(answering))

    async def unload(self, policy: str) -> Reply:
        await asyncio.wrap_future(self._opened)
        self._loaded.pop(policy, None)
        await self._order(lambda: self._engine.unload(policy))
        return self._reply([])

    async def sleep(self) -> Reply:
        await asyncio.wrap_future(self._opened)
        await self._order(self._engine.sleep)
        return self._reply([])

    async def close(self) -> None:
        """Free what the engine uses outside this process, such as its own processes."""
        await asyncio.wrap_future(self._opened)
        await self._order(self._engine.close)

    async def _order(self, work: Callable[[], None]) -> None:
        done: Future[None] = Future()
        self._loop.call_soon_threadsafe(self._orders.put_nowait, (work, done))
        await asyncio.wrap_future(done)

    async def _answers(self, requests: Sequence[Request]) -> list[list[Completion]]:
        answers = await asyncio.gather(*map(self._engine.generate, requests), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise _portable(answer)
        return [answer for answer in answers if not isinstance(answer, BaseException)]

    def _reply(self, answers: list[list[Completion]]) -> Reply:
        done, self._reported = self._engine.tally.since(self._reported), self._engine.tally.copy()
        return Reply(f"{socket.gethostname()}, process {os.getpid()}", self._engine.batches, answers, done)

    def _serve(self, opener: Opener, recipe: Recipe, vz: str, gpus: float) -> None:
        """The engine's thread."""
        try:
            _check_version(vz)
            _check_gpus(recipe, gpus)
            self._engine = opener(recipe)
            self._loop = self._engine.run(_running_loop())
        except BaseException as error:  # also a library's sys.exit: the caller would wait forever
            self._opened.set_exception(_portable(error))
            return
        self._opened.set_result(None)
        while True:
            work, done = self._engine.run(self._orders.get())
            try:
                work()
                done.set_result(None)
            except BaseException as error:
                done.set_exception(_portable(error))


def _portable(error: BaseException) -> VzError:
    """The error in a form that can be sent to another process; exceptions with custom arguments cannot."""
    message = (
        str(error) if isinstance(error, VzError) else f"{type(error).__name__}: {error} (an error inside a worker)"
    )
    kind = InputError if isinstance(error, InputError) else VzError
    return kind(message).with_traceback(error.__traceback__)


async def _running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def _check_version(wanted: str) -> None:
    if (found := version("vz-selfplay")) != wanted:
        raise InputError(
            f"{socket.gethostname()}, a machine of the Ray cluster, has vz {found}, but vz {wanted} started the "
            "command: install the same version on every machine"
        )


def _check_gpus(recipe: Recipe, gpus: float) -> None:
    """Ray hides GPUs only from workers that reserve some. Without a reservation, all would use the first GPU."""
    if gpus or recipe.model.device == "cpu" or recipe.rollout.engine not in {"transformers", "vllm"}:
        return
    if require("torch", "train").cuda.is_available():
        raise InputError(
            f"{socket.gethostname()} has GPUs, but rollout.executor.gpus is 0: set it to the number of GPUs that each "
            "worker takes (1 for most), or set model.device=cpu"
        )


def _check_visible(folders: set[Path], what: str) -> None:
    for folder in folders:
        if not folder.exists():
            raise InputError(
                f"{folder}: {socket.gethostname()}, a machine of the Ray cluster, cannot see this {what} folder; all "
                "machines need a shared file system"
            )
