"""Engines that workers open by name: one that dies, one that never answers, one that looks at its pictures."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from stages.core.engines.base import Completion, Engine, Request, Tally
from stages.core.engines.fake import FakeEngine
from stages.core.engines.transformers import TransformersEngine
from stages.core.recipe import Recipe
from stages.core.seeds import derive


def fake(recipe: Recipe) -> Engine:
    assert not recipe.rollout.executor.spreads  # or workers would have workers
    return FakeEngine()


def batching(recipe: Recipe) -> Engine:
    return Batching()


class Batching(FakeEngine):
    """Answers depend on all that is computed with them, as the last bits of log-probs do."""

    batches = True

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[Request, asyncio.Future[list[Completion]]]] = []
        self.task: asyncio.Task[None] | None = None

    async def generate(self, request: Request) -> list[Completion]:
        answer: asyncio.Future[list[Completion]] = asyncio.get_running_loop().create_future()
        self.waiting.append((request, answer))
        if self.task is None or self.task.done():
            self.task = asyncio.create_task(self.serve())
        return await answer

    async def serve(self) -> None:
        while self.waiting:
            for _ in range(5):
                await asyncio.sleep(0)
            taken, self.waiting = self.waiting, []
            batch = derive(*sorted(request.order for request, _ in taken))
            for request, answer in taken:
                completions = await super().generate(request)
                answer.set_result([replace(one, logprobs=[-1.0 / batch] * len(one.logprobs)) for one in completions])


def mortal(folder: Path, deaths: int, recipe: Recipe) -> Engine:
    """Its process is killed in the middle of a batch, `deaths` times over all workers together."""
    return Mortal(folder, deaths, 12)


class Mortal(FakeEngine):
    batches = True

    def __init__(self, folder: Path, deaths: int, answers: int) -> None:
        super().__init__()
        self.folder, self.deaths, self.answers = folder, deaths, answers

    async def generate(self, request: Request) -> list[Completion]:
        self.answers -= 1
        if self.answers == 0:
            die(self.folder, self.deaths)
        return await super().generate(request)


def mortal_model(folder: Path, recipe: Recipe) -> Engine:
    return MortalModel(folder, recipe)


class MortalModel(TransformersEngine):
    def __init__(self, folder: Path, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.folder = folder

    async def generate(self, request: Request) -> list[Completion]:
        if request.order == (4, 2):
            die(self.folder, deaths=1)
        return await super().generate(request)


def mortal_vllm(folder: Path, recipe: Recipe) -> Engine:
    from stages.core.engines.vllm import VllmEngine

    class MortalVllm(VllmEngine):
        async def generate(self, request: Request) -> list[Completion]:
            if request.order == (6, 2):
                die(folder, deaths=1)
            return await super().generate(request)

    return MortalVllm(recipe)


def die(folder: Path, deaths: int) -> None:
    """Killed as from outside, unless that has been done often enough."""
    for number in range(deaths):
        with suppress(FileExistsError):  # of two workers at the same moment, one gets the number
            (folder / str(number)).touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)


def looking(recipe: Recipe) -> Engine:
    return Looking()


class Looking(FakeEngine):
    async def generate(self, request: Request) -> list[Completion]:
        for picture in request.pictures:
            picture.load()
        return await super().generate(request)


def never(recipe: Recipe) -> Engine:
    return Never()


class Never(FakeEngine):
    async def generate(self, request: Request) -> list[Completion]:
        await asyncio.Event().wait()
        raise AssertionError


def visible_gpus(recipe: Recipe) -> Engine:
    raise RuntimeError(os.environ.get("CUDA_VISIBLE_DEVICES"))


class Meeting(FakeEngine):
    """Answers a request only when another is under way too; counts what was loaded in between."""

    def __init__(self) -> None:
        super().__init__()
        self.other = asyncio.Event()
        self.asked = 0
        self.tally = Tally()

    async def generate(self, request: Request) -> list[Completion]:
        self.asked += 1
        if self.asked == 2:
            self.other.set()
        await self.other.wait()
        return await super().generate(request)


def stuck(recipe: Recipe) -> Engine:
    time.sleep(60)
    raise AssertionError
