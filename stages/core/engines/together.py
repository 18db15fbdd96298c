"""Runs many coroutines at once, and answers questions in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Q = TypeVar("Q")
A = TypeVar("A")


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results, in order. The first failure cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


@dataclass(eq=False)
class _Waiting(Generic[Q, A]):
    question: Q
    answer: asyncio.Future[A]


class Batcher(Generic[Q, A]):
    """Collects questions until no game can ask another, and then has them answered together.

    `answer` gets the questions that `choose` picks, one batch at a time. Meanwhile, the next questions collect. An
    error is raised to all that wait.
    """

    def __init__(self, choose: Callable[[list[Q]], list[Q]], answer: Callable[[list[Q]], Awaitable[list[A]]]) -> None:
        self._choose, self._answer = choose, answer
        self._waiting: list[_Waiting[Q, A]] = []
        self._serving: asyncio.Task[None] | None = None

    @property
    def questions(self) -> list[Q]:
        """The waiting questions."""
        return [waiting.question for waiting in self._waiting]

    async def ask(self, question: Q) -> A:
        loop = asyncio.get_running_loop()
        waiting: _Waiting[Q, A] = _Waiting(question, loop.create_future())
        self._waiting.append(waiting)
        if self._serving is None or self._serving.done():
            self._serving = loop.create_task(self._serve())
        return await waiting.answer

    def fail(self, error: Exception, others: Sequence[_Waiting[Q, A]] = ()) -> None:
        """Raise `error` to all that wait."""
        failed, self._waiting = [*others, *self._waiting], []
        for waiting in failed:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)

    async def _serve(self) -> None:
        while True:
            await self._settle()
            self._waiting = [waiting for waiting in self._waiting if not waiting.answer.done()]
            if not self._waiting:
                return
            by_identity = {id(waiting.question): waiting for waiting in self._waiting}
            batch = [by_identity.pop(id(question)) for question in self._choose(self.questions)]
            self._waiting = list(by_identity.values())
            try:
                answers = await self._answer([waiting.question for waiting in batch])
            except Exception as error:
                self.fail(error, batch)
                return
            for waiting, answer in zip(batch, answers, strict=True):
                if not waiting.answer.done():  # Ctrl-C cancels games while their batch is computed
                    waiting.answer.set_result(answer)

    async def _settle(self) -> None:
        """Wait until every game that can continue has asked, so that batches are full and the same in every run."""
        unchanged, known = 0, -1
        while unchanged < 3:
            await asyncio.sleep(0)
            unchanged = unchanged + 1 if len(self._waiting) == known else 0
            known = len(self._waiting)
