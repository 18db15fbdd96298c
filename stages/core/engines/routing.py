"""Two kinds of policies in one game: an engine loads the weights of some, and a server runs the others."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from stages.core.clock import ENGINE, clock
from stages.core.engines.base import Completion, Engine, Queue, Request
from stages.core.engines.server import ServerEngine
from stages.core.errors import InputError
from stages.core.recipe.schema import Recipe
from stages.core.recipe.served import is_served
from stages.core.user_code import is_user_file, user_errors

T = TypeVar("T")


class RoutingEngine(Engine):
    """An engine that also answers for policies whose model is a server's address (`https://host/v1#name`).

    Both run in the event loop of the engine that loads weights.
    """

    def __init__(self, weights: Engine, recipe: Recipe) -> None:
        super().__init__()
        self._weights = weights
        self._own = recipe.rollout.engine if is_user_file(recipe.rollout.engine) else None  # a user's file
        self._servers = ServerEngine(recipe)
        self._served: set[str] = set()
        self.batches, self.lanes = weights.batches, weights.lanes
        self.tally = self._servers.tally = weights.tally

    def load(self, policy: str, model: str | Path, version: str) -> None:
        self._served.discard(policy)
        if is_served(model):
            self._served.add(policy)
        with self._blamed(policy), clock.part("loading weights into the engine"):
            self._of(policy).load(policy, model, version)

    def unload(self, policy: str) -> None:
        self._of(policy).unload(policy)

    def version(self, policy: str) -> str:
        return self._of(policy).version(policy)

    async def generate(self, request: Request) -> list[Completion]:
        engine = self._of(request.policy)
        with self._blamed(request.policy), nullcontext() if engine.times_itself else clock.busy(ENGINE):
            completions = await engine.generate(request)
            if self._own and len(completions) != request.n:
                raise InputError(
                    f"{self._own}: generate returned {len(completions)} completions for a request of {request.n}; "
                    "docs/doors/engine.md says what it must return"
                )
        return completions

    def lane(self, place: int) -> int:
        return self._weights.lane(place)

    def sleep(self) -> None:
        self._weights.sleep()

    def queue(self) -> Queue:
        here, there = self._weights.queue(), self._servers.queue()
        return Queue(here.running + there.running, here.waiting + there.waiting)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._weights.run(work)

    def interrupt(self) -> None:
        self._weights.interrupt()

    def close(self) -> None:
        with ExitStack() as all_of_them:  # even if one fails
            all_of_them.callback(super().close)
            all_of_them.callback(self._weights.close)
            self.run(self._servers.disconnect())  # in the loop that opened the connections

    def _of(self, policy: str) -> Engine:
        return self._servers if policy in self._served else self._weights

    def _blamed(self, policy: str) -> AbstractContextManager[None]:
        """Errors of a user's engine name its file and line."""
        return user_errors(self._own) if self._own and policy not in self._served else nullcontext()
