"""The engine of many engines: games are spread on workers by their place."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import wait
from dataclasses import replace
from pathlib import Path
from typing import Any

from stages.core.engines.base import Completion, Engine, Queue, Request
from stages.core.engines.fleet.cluster import Cluster
from stages.core.engines.fleet.lane import Lane
from stages.core.engines.fleet.processes import process_workers
from stages.core.engines.fleet.worker import Opener, Worker
from stages.core.errors import InputError
from stages.core.recipe.schema import Recipe

FAREWELL = 30.0  # seconds that engines with processes or machines of their own get to free them


def check_executor(recipe: Recipe) -> None:
    """`InputError` for engines that workers would not help."""
    engine, local = recipe.rollout.engine, recipe.rollout.executor.kind == "local"
    if engine == "vllm" and local:
        raise InputError(
            "rollout.executor.workers: vLLM spreads over the GPUs of a machine by itself: set "
            "rollout.vllm.data_parallel"
        )
    if engine == "server":
        raise InputError(
            "rollout.executor: with rollout.engine=server the server does the work; leave executor out, and set "
            "rollout.server.requests to how many requests it gets at once"
        )
    if not local and recipe.deterministic and recipe.threads is None:
        raise InputError(
            "deterministic=true on Ray wants a number of threads, since Ray gives workers another than torch would "
            "choose: set threads=1, or as many as rollout.executor.cpus"
        )


class FleetEngine(Engine):
    """Plays in vz's own process and computes in `rollout.executor.workers` others, each with an engine of the recipe.

    A game stays with one worker, whose prefix cache knows it. Deterministic recipes spread whole blocks of games, so
    that what is computed together is what one process would compute together.
    """

    def __init__(self, recipe: Recipe, opener: Opener) -> None:
        super().__init__()
        self._recipe = recipe = _with_whole_paths(recipe)
        self._cluster: Cluster | None = None
        self._lanes: list[Lane] = []
        self._started = False
        workers: list[Worker] = []
        if recipe.rollout.executor.kind == "ray":
            self._cluster = Cluster(recipe.rollout.executor)
            workers += self._cluster.workers()
        else:
            workers += process_workers(recipe)
        self._lanes = [Lane(number, one, opener, recipe, self.tally) for number, one in enumerate(workers, 1)]
        self.lanes = len(workers)
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
        whole = Path(model).absolute() if Path(model).exists() else model
        self._everywhere([lane.load(policy, whole, version) for lane in self._lanes])
        self._versions[policy] = version

    def unload(self, policy: str) -> None:
        if policy in self._versions:
            self._everywhere([lane.unload(policy) for lane in self._lanes])
        super().unload(policy)

    def sleep(self) -> None:
        if self._started:
            self._everywhere([lane.sleep() for lane in self._lanes])

    async def generate(self, request: Request) -> list[Completion]:
        self.version(request.policy)
        pictures = [replace(picture, folder=picture.folder.absolute()) for picture in request.pictures]
        return await self._lanes[self.lane(request.order[0])].generate(replace(request, pictures=pictures))

    def queue(self) -> Queue:
        queues = [lane.queue() for lane in self._lanes]
        return Queue(sum(queue.running for queue in queues), sum(queue.waiting for queue in queues))

    def close(self) -> None:
        super().close()  # first, so that nobody is left who would take our stopping a worker for its death
        wait([future for lane in self._lanes if (future := lane.farewell())], FAREWELL)
        for lane in self._lanes:
            lane.stop()
        if self._cluster is not None:
            self._cluster.leave()

    def _everywhere(self, work: list[Coroutine[Any, Any, None]]) -> None:
        """All to their end, then the first error: no worker is left half-way behind another's failure."""

        async def together() -> None:
            for outcome in await asyncio.gather(*work, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome

        self.run(together())


def _with_whole_paths(recipe: Recipe) -> Recipe:
    """Workers may run in another folder."""
    template = recipe.model.chat_template
    if template is None:
        return recipe
    return recipe.model_copy(
        update={"model": recipe.model.model_copy(update={"chat_template": str(Path(template).absolute())})}
    )
