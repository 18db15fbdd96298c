"""One worker and the requests of its games."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core.engines.base import Completion, Queue, Request, Tally
from stages.core.engines.fleet.worker import Opener, Reply, Worker
from stages.core.errors import InputError, VzError
from stages.core.recipe.engines import Executor
from stages.core.recipe.schema import Recipe


@dataclass
class _Waiting:
    request: Request
    answer: asyncio.Future[list[Completion]]


class Lane:
    """Asks its worker. One that dies is started again with the policies it had, and asked again.

    Completions are drawn from the seeds of their requests, so that what comes of it is the same.
    """

    def __init__(self, number: int, worker: Worker, opener: Opener, recipe: Recipe, tally: Tally) -> None:
        self._name = f"worker {number}"
        self._worker = worker
        self._executor = recipe.rollout.executor
        alone = recipe.rollout.model_copy(update={"executor": Executor()})
        self._opening = (opener, recipe.model_copy(update={"rollout": alone}))
        self._policies: dict[str, tuple[str | Path, str]] = {}
        self._loaded: set[str] = set()  # those that the worker has loaded in this life
        self._gathers = True  # whether requests wait for each other, to be sent as one
        self._waiting: list[_Waiting] = []
        self._running = 0  # completions that the worker has been asked for
        self._serving: asyncio.Task[None] | None = None
        self._life, self._where, self._restarts = 0, "not started", 0
        self._starting = asyncio.Lock()
        self._tally, self._seen = tally, Tally()

    async def start(self) -> None:
        """Begin the worker's first life."""
        await self._live(0, None)

    async def load(self, policy: str, model: str | Path, version: str) -> None:
        await self._call("load", policy, model, version)
        self._policies[policy] = (model, version)
        self._loaded.add(policy)

    async def unload(self, policy: str) -> None:
        self._policies.pop(policy, None)
        self._loaded.discard(policy)
        await self._call("unload", policy)

    async def sleep(self) -> None:
        await self._call("sleep")

    async def generate(self, request: Request) -> list[Completion]:
        if not self._gathers:
            return (await self._answers([request]))[0]
        loop = asyncio.get_running_loop()
        waiting = _Waiting(request, loop.create_future())
        self._waiting.append(waiting)
        if self._serving is None or self._serving.done():
            self._serving = loop.create_task(self._serve())
        return await waiting.answer

    def queue(self) -> Queue:
        return Queue(self._running, sum(waiting.request.n for waiting in self._waiting))

    def farewell(self) -> Future[Reply] | None:
        """Let an engine that has more than its own process to free do so."""
        if self._life == 0 or self._gathers:
            return None
        try:
            return self._worker.call("close")
        except self._worker.died:
            return None

    def stop(self) -> None:
        self._worker.stop()

    async def _serve(self) -> None:
        """One call at a time, of all requests that wait; while it is answered the next gather."""
        while True:
            await self._settle()
            taken = [waiting for waiting in self._waiting if not waiting.answer.done()]
            self._waiting = []
            if not taken:
                return
            taken.sort(key=lambda waiting: waiting.request.order)
            try:
                answers = await self._answers([waiting.request for waiting in taken])
            except Exception as error:  # whatever it is belongs to the games that wait, and stops them
                self._fail([*taken, *self._waiting], error)
                return
            for waiting, answer in zip(taken, answers, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(answer)

    async def _settle(self) -> None:
        """Let every game that can go on ask its next question: a deterministic call is of all games of a block."""
        unchanged, known = 0, -1
        while unchanged < 3:
            await asyncio.sleep(0)
            unchanged = unchanged + 1 if len(self._waiting) == known else 0
            known = len(self._waiting)

    def _fail(self, waiting: list[_Waiting], error: Exception) -> None:
        self._waiting = []
        for one in waiting:
            if not one.answer.done():
                one.answer.set_exception(error)

    async def _answers(self, requests: list[Request]) -> list[list[Completion]]:
        samples = sum(request.n for request in requests)
        self._running += samples
        try:
            answers: list[list[Completion]] = (await self._call("generate", requests)).value
        finally:
            self._running -= samples
        return answers

    async def _call(self, task: str, *arguments: Any) -> Reply:
        requests: list[Request] = arguments[0] if task == "generate" else []
        while True:
            try:
                async with self._starting:  # waits while it is being started again
                    life = self._life
                    await self._load_again({request.policy for request in requests})
                return await self._ask(task, *arguments)
            except self._worker.died as death:
                await self._live(life, death)
                self._tally.retries += len(requests)

    async def _load_again(self, policies: set[str]) -> None:
        """In a new life only what is asked for: others may have been removed from disk since they played."""
        for policy in sorted(policies - self._loaded):
            await self._ask("load", policy, *self._policies[policy])
            self._loaded.add(policy)

    async def _ask(self, task: str, *arguments: Any) -> Reply:
        reply = await asyncio.wrap_future(self._worker.call(task, *arguments))
        for name, total in vars(reply.tally).items():  # replies may overtake each other; a tally only grows
            grown = max(0, total - getattr(self._seen, name))
            setattr(self._seen, name, getattr(self._seen, name) + grown)
            setattr(self._tally, name, getattr(self._tally, name) + grown)
        if reply.failure is not None:
            raise reply.failure.error()
        return reply

    async def _begin(self) -> None:
        wait = self._executor.startup_seconds
        try:
            where = await asyncio.wait_for(asyncio.wrap_future(self._worker.start()), wait)
        except TimeoutError:
            raise VzError(
                f"{self._name} did not start within {wait:g} s; is there room for {self._executor.workers} workers? "
                "Lower rollout.executor.workers, or raise rollout.executor.startup_seconds"
            ) from None
        except self._worker.unfit as error:
            raise InputError(
                f"{self._name}: vz does not run where Ray put it; all machines of the cluster need the same vz "
                f"installed: {textwrap.shorten(str(error).strip().splitlines()[-1], 300)}"
            ) from error
        self._where, self._seen, self._loaded = where, Tally(), set()
        batches = (await self._ask("open", *self._opening)).value
        self._gathers = batches or not self._worker.at_once
        self._life += 1

    async def _live(self, life: int, death: Exception | None) -> None:
        """The life after `life`, unless another call that noticed the same death has begun it."""
        async with self._starting:
            while self._life == life:
                if death is not None:
                    self._count(death)
                self._worker.stop()  # what is left of it, or of one whose engine would not open
                try:
                    await self._begin()
                except self._worker.died as next_death:
                    death = next_death

    def _count(self, death: Exception) -> None:
        cause = textwrap.shorten(str(death), 300)
        if self._restarts == self._executor.restarts:
            raise VzError(
                f"{self._name} ({self._where}) died, after {self._restarts} restarts (rollout.executor.restarts): "
                f"{cause} Perhaps memory is short. Finished games are kept, and the same command goes on with the rest"
            ) from death
        self._restarts += 1
        self._tally.restarts += 1
        print(f"{self._name} ({self._where}) died and is started again: {cause}", file=sys.stderr)
