"""One worker, and the requests of its games."""

from __future__ import annotations

import asyncio
import textwrap
from pathlib import Path
from typing import Any

from stages.core.engines.base import Completion, Queue, Request, Tally
from stages.core.engines.fleet.cluster import RESTARTS, Cluster
from stages.core.engines.fleet.worker import Opener, Reply
from stages.core.engines.together import Batcher
from stages.core.errors import InputError, VzError
from stages.core.printing.terminal import say
from stages.core.recipe.schema import Recipe

START_TIMEOUT = 600.0  # seconds; the cluster may have no room for a worker


class Lane:
    """Calls its worker, and translates Ray's errors.

    Completions depend on their requests' seeds, so a call that Ray repeats after a death gives the same result.
    """

    def __init__(self, number: int, cluster: Cluster, opener: Opener, recipe: Recipe, tally: Tally) -> None:
        self._name = f"worker {number}"
        self._cluster = cluster
        self._given = opener, recipe
        self._worker: Any = None  # Ray's handle
        self._process = ""
        self._policies: dict[str, tuple[str | Path, str]] = {}
        self._tally = tally
        self._batches = False
        self._batcher = Batcher(_in_order, self._answers)
        self._running = 0  # completions that the worker is computing

    async def start(self) -> None:
        self._worker = self._cluster.start(*self._given)
        try:
            reply = await asyncio.wait_for(self.call("load", {}), START_TIMEOUT)
        except TimeoutError:
            raise VzError(
                f"{self._name} did not start within {START_TIMEOUT:g} s; is there room for "
                f"{self._cluster.executor.workers} workers? Lower rollout.executor.workers"
            ) from None
        self._batches = reply.batches

    async def load(self, policy: str, model: str | Path, version: str) -> None:
        await self.call("load", {policy: (model, version)})
        self._policies[policy] = model, version

    async def unload(self, policy: str) -> None:
        del self._policies[policy]
        await self.call("unload", policy)

    async def generate(self, request: Request) -> list[Completion]:
        return await self._batcher.ask(request) if self._batches else (await self._answers([request]))[0]

    def queue(self) -> Queue:
        return Queue(self._running, sum(request.n for request in self._batcher.questions))

    async def call(self, method: str, *arguments: Any) -> Reply:
        """Call the worker. `VzError` if it fails, or dies too often."""
        errors, asked_of = self._cluster.ray.exceptions, self._process
        try:
            reply: Reply = await getattr(self._worker, method).remote(*arguments)
        except errors.RayTaskError as failed:
            raise _cause(failed, self._name) from None
        # Ray's memory monitor ends workers with its own error.
        except (errors.RayActorError, errors.ObjectLostError, errors.NodeDiedError, errors.OutOfMemoryError) as death:
            raise VzError(
                f"{self._name} ({self._process or 'not started'}) died more than {RESTARTS} times, "
                "perhaps because memory ran out: "
                f"{textwrap.shorten(str(death), 300)} Finished games are kept: repeat the command to play the rest"
            ) from death
        self._tally.add(reply.done)
        if reply.process != asked_of and asked_of and method == "generate":
            self._tally.retries += len(arguments[0])
        if reply.process != self._process:
            self._moved(reply.process)
        return reply

    def close(self) -> list[Any]:
        """Ask an engine that may use more than its own process to free it. Ray can wait for the result."""
        return [self._worker.close.remote()] if self._process and not self._batches else []

    def kill(self) -> None:
        if self._worker is not None:
            self._cluster.ray.kill(self._worker)

    async def _answers(self, requests: list[Request]) -> list[list[Completion]]:
        samples = sum(request.n for request in requests)
        policies = {request.policy: self._policies[request.policy] for request in requests}
        self._running += samples
        try:
            return (await self.call("generate", requests, policies)).answers
        finally:
            self._running -= samples

    def _moved(self, process: str) -> None:
        if self._process:
            self._tally.restarts += 1
            say(f"{self._name} ({self._process}) died; Ray restarted it ({process})")
        self._process = process


def _in_order(requests: list[Request]) -> list[Request]:
    return sorted(requests, key=lambda request: request.order)


def _cause(failed: Exception, name: str) -> VzError:
    """The error that the worker raised. With --debug, the user also sees where in the worker."""
    cause: BaseException = failed.cause  # type: ignore[attr-defined]
    if not isinstance(cause, VzError):
        last = textwrap.shorten(str(failed).strip().splitlines()[-1], 300)
        cause = InputError(
            f"{name}: vz cannot run on the machine that Ray chose; install the same vz on all machines of the cluster: "
            f"{last}"
        )
    cause.add_note(str(failed))
    return cause
