"""An engine made of many engines: each game has a worker that answers for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

from stages.core.engines.base import Completion, Engine, Queue, Request
from stages.core.engines.fleet.cluster import Cluster
from stages.core.engines.fleet.lane import Lane
from stages.core.engines.fleet.worker import Opener
from stages.core.errors import InputError
from stages.core.recipe.engines import Executor
from stages.core.recipe.schema import Recipe

CLOSE_TIMEOUT = 30.0  # seconds for engines to end their own processes


def check_executor(recipe: Recipe) -> None:
    """`InputError` if workers would not help the engine, or would change its results."""
    if recipe.rollout.engine == "server":
        raise InputError(
            "rollout.executor: with rollout.engine=server, the server does the computing; leave executor out, and set "
            "rollout.server.requests to the number of concurrent requests"
        )
    if recipe.deterministic and recipe.threads is None:
        raise InputError(
            "deterministic=true with several workers needs a fixed number of threads, since Ray sets its own: set "
            "threads=1, or as many as rollout.executor.cpus"
        )


class FleetEngine(Engine):
    """Plays in vz's own process and computes in `rollout.executor.workers` others.

    A game stays with one worker, whose prefix cache has its prompts. Deterministic recipes give a worker whole blocks
    of games, so that each batch is the same as in a single process.
    """

    def __init__(self, recipe: Recipe, opener: Opener) -> None:
        super().__init__()
        self._recipe = recipe
        self._cluster = Cluster(recipe.rollout.executor)
        numbers, own = range(1, recipe.rollout.executor.workers + 1), _of_worker(recipe)
        self._lanes = [Lane(number, self._cluster, opener, own, self.tally) for number in numbers]
        self._started = False
        self.lanes = len(self._lanes)
        self.batches = recipe.rollout.engine == "transformers"

    def lane(self, place: int) -> int:
        block = self._recipe.rollout.concurrent_games if self._recipe.deterministic else 1
        return place // block % self.lanes

    def load(self, policy: str, model: str | Path, version: str) -> None:
        if self._versions.get(policy) == version:
            return
        if not self._started:
            self._everywhere([lane.start() for lane in self._lanes])
            self._started = True
        resolved = Path(model).absolute() if Path(model).exists() else model
        self._everywhere([lane.load(policy, resolved, version) for lane in self._lanes])
        self._versions[policy] = version

    def unload(self, policy: str) -> None:
        if policy in self._versions:
            self._everywhere([lane.unload(policy) for lane in self._lanes])
        super().unload(policy)

    def sleep(self) -> None:
        if self._started:
            self._everywhere([lane.call("sleep") for lane in self._lanes])

    async def generate(self, request: Request) -> list[Completion]:
        self.version(request.policy)
        pictures = [replace(picture, folder=picture.folder.absolute()) for picture in request.pictures]
        return await self._lanes[self.lane(request.order[0])].generate(replace(request, pictures=pictures))

    def queue(self) -> Queue:
        queues = [lane.queue() for lane in self._lanes]
        return Queue(sum(queue.running for queue in queues), sum(queue.waiting for queue in queues))

    def close(self) -> None:
        super().close()
        closing = [closed for lane in self._lanes for closed in lane.close()]
        if closing:
            self._cluster.ray.wait(closing, num_returns=len(closing), timeout=CLOSE_TIMEOUT)
        for lane in self._lanes:
            lane.kill()
        self._cluster.leave()

    def _everywhere(self, work: list[Awaitable[Any]]) -> None:
        """Wait for all workers, then raise the first error, so that none stops halfway."""

        async def gathered() -> None:
            for outcome in await asyncio.gather(*work, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome

        self.run(gathered())


def _of_worker(recipe: Recipe) -> Recipe:
    """The recipe for each worker's engine, which has no workers of its own and may run in another folder."""
    template = recipe.model.chat_template
    resolved = None if template is None else str(Path(template).absolute())
    return recipe.model_copy(
        update={
            "rollout": recipe.rollout.model_copy(update={"executor": Executor()}),
            "model": recipe.model.model_copy(update={"chat_template": resolved}),
        }
    )
