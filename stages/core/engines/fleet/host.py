"""Inside a worker: an ordinary engine, and the tasks that it is given."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from stages.core.engines.base import Engine, Request
from stages.core.engines.fleet.worker import Failure, Opener, Reply
from stages.core.recipe.schema import Recipe


class EngineHost:
    """An engine in a thread of its own, whose event loop runs for as long as nothing else is ordered.

    So a streaming engine gets requests while others are under way, and `load` and its like, which run the loop
    themselves, get the thread for themselves.
    """

    _engine: Engine
    _loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        self._orders: asyncio.Queue[Callable[[], None]] = asyncio.Queue()
        self._closed = False

    def call(self, task: str, *arguments: Any) -> Future[Reply]:
        """`open` (opener, recipe) comes first; then `generate` (requests), `load`, `unload`, `sleep`, `close`."""
        if task == "open":
            return self._open(*arguments)
        if task == "generate":
            return asyncio.run_coroutine_threadsafe(self._generate(*arguments), self._loop)
        done: Future[Reply] = Future()

        def order() -> None:
            self._closed = task == "close"
            done.set_result(self._try(lambda: getattr(self._engine, task)(*arguments)))

        self._loop.call_soon_threadsafe(self._orders.put_nowait, order)
        return done

    def _open(self, opener: Opener, recipe: Recipe) -> Future[Reply]:
        opened: Future[Reply] = Future()
        threading.Thread(target=self._serve, args=(opener, recipe, opened), daemon=True).start()
        return opened

    def _serve(self, opener: Opener, recipe: Recipe, opened: Future[Reply]) -> None:
        try:
            self._engine = opener(recipe)
            self._loop = self._engine.run(_running_loop())
        except BaseException as error:  # whatever it is, a library's sys.exit too, belongs to the one who asked
            opened.set_result(Reply(failure=Failure.of(error)))
            return
        opened.set_result(Reply(self._engine.batches))
        while not self._closed:
            self._engine.run(self._orders.get())()

    def _try(self, work: Callable[[], Any]) -> Reply:
        try:
            return Reply(work(), tally=self._engine.tally.copy())
        except BaseException as error:  # else this thread would end, and the one who asked wait for ever
            return Reply(failure=Failure.of(error), tally=self._engine.tally.copy())

    async def _generate(self, requests: Sequence[Request]) -> Reply:
        """All at once, so that an engine that batches finds them all in its queue."""
        answers = await asyncio.gather(*map(self._engine.generate, requests), return_exceptions=True)
        tally = self._engine.tally.copy()
        for answer in answers:
            if isinstance(answer, BaseException):
                return Reply(failure=Failure.of(answer), tally=tally)
        return Reply(answers, tally=tally)


async def _running_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()
