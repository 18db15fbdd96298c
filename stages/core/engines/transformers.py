"""The Hugging Face `generate` engine: requests of many games are gathered into batches; CPU and CUDA alike."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from stages.core.engines.base import Completion, Engine, Queue, Request, Sampling
from stages.core.errors import VzError
from stages.core.recipe.schema import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin


@dataclass
class _Waiting:
    request: Request
    answer: asyncio.Future[list[Completion]]


@dataclass
class _Policy:
    model: PreTrainedModel
    processor: ProcessorMixin
    stop_tokens: frozenset[int]
    suppressed: list[int] = field(default_factory=list)


class TransformersEngine(Engine):
    """Answers by batched `generate`.

    Whenever every game in play waits for an answer, the waiting requests are batched: all of them, in request order,
    when the recipe is deterministic; otherwise the largest group of equal policy and sampling, `batch_size` at once.
    """

    batches = True

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        from stages.core.vlm import set_threads

        set_threads(recipe.threads)
        self._recipe = recipe
        self._queue: list[_Waiting] = []
        self._worker: asyncio.Task[None] | None = None
        self._policies: dict[str, _Policy] = {}
        self._running = 0  # completions of the batch that is being computed

    def load(self, policy: str, model: str | Path, version: str) -> None:
        from stages.core import vlm

        if self._versions.get(policy) == version:
            return
        self._policies.pop(policy, None)  # free the old weights before the new ones come
        weights = vlm.load_model(model, self._recipe.model)
        processor = vlm.load_processor(model, self._recipe.model)
        stop = vlm.stop_tokens(weights, processor)
        self._policies[policy] = _Policy(weights, processor, frozenset(stop), vlm.placeholder_tokens(weights))
        self._versions[policy] = version

    def queue(self) -> Queue:
        return Queue(self._running, sum(waiting.request.n for waiting in self._queue))

    def sleep(self) -> None:
        from stages.core.vlm import free_accelerator

        for policy in self._policies.values():
            policy.model.to("cpu")
        free_accelerator()

    def close(self) -> None:
        self._policies.clear()
        super().close()

    async def generate(self, request: Request) -> list[Completion]:
        self.version(request.policy)
        waiting = _Waiting(request, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(self._serve())
        return await waiting.answer

    async def _serve(self) -> None:
        while self._queue:
            await self._settle()
            self._queue = [waiting for waiting in self._queue if not waiting.answer.done()]
            if not self._queue:
                return
            taken = self._take()
            self._running = sum(waiting.request.n for waiting in taken)
            try:
                answers = self._answer(taken)
            except Exception as error:  # whatever it is belongs to the games that wait, and stops them
                self._fail([*taken, *self._queue], error)
                return
            for waiting, answer in zip(taken, answers, strict=True):
                if not waiting.answer.done():  # an interrupt cancels the games while their batch is computed
                    waiting.answer.set_result(answer)

    def _fail(self, waiting: Sequence[_Waiting], error: Exception) -> None:
        self._queue = []
        if isinstance(error, StopIteration):  # which no future can carry; processors raise it on a stray placeholder
            error = VzError(f"the processor could not make a prompt's inputs: {error!r}")
        for one in waiting:
            if not one.answer.done():
                one.answer.set_exception(error)

    async def _settle(self) -> None:
        """Let every game that can go on ask its next question, so that batches are full."""
        unchanged, known = 0, -1
        while unchanged < 3:
            await asyncio.sleep(0)
            unchanged = unchanged + 1 if len(self._queue) == known else 0
            known = len(self._queue)

    def _take(self) -> list[_Waiting]:
        self._queue.sort(key=lambda waiting: waiting.request.order)
        if self._recipe.deterministic:
            taken, self._queue = self._queue, []
            return taken
        groups: dict[tuple[str, Sampling], list[_Waiting]] = {}
        for waiting in self._queue:
            groups.setdefault(_kind(waiting.request), []).append(waiting)
        largest = max(groups.values(), key=lambda group: sum(waiting.request.n for waiting in group))
        taken = _first_batch(largest, self._recipe.rollout.batch_size)
        self._queue = [waiting for waiting in self._queue if waiting not in taken]
        return taken

    def _answer(self, taken: Sequence[_Waiting]) -> list[list[Completion]]:
        """Answers in the order of `taken`, computed in batches of one policy and sampling each."""
        size = self._recipe.rollout.batch_size
        places = sorted(range(len(taken)), key=lambda place: repr(_kind(taken[place].request)))
        answers: dict[int, list[Completion]] = {place: [] for place in places}
        for _, group in groupby(places, key=lambda place: _kind(taken[place].request)):
            rows = [(place, sample) for place in group for sample in range(taken[place].request.n)]
            for start in range(0, len(rows), size):
                batch = rows[start : start + size]
                requests = [(taken[place].request, sample) for place, sample in batch]
                for (place, _), completion in zip(batch, self._complete(requests), strict=True):
                    answers[place].append(completion)
        return [answers[place] for place in range(len(taken))]

    def _complete(self, rows: Sequence[tuple[Request, int]]) -> list[Completion]:
        """One completion for each (request, sample); all of one policy and one sampling."""
        from stages.core.engines.decoding import sample_batch
        from stages.core.vlm import device_of

        policy = self._policies[rows[0][0].policy]
        policy.model.to(device_of(self._recipe.model))  # after training it sleeps in the CPU's memory until it is asked
        completions = sample_batch(
            policy.model,
            policy.processor,
            rows,
            stop_tokens=policy.stop_tokens,
            suppressed=policy.suppressed,
            max_prompt_tokens=self._recipe.rollout.max_prompt_tokens,
        )
        prompts = {id(request): made.prompt_tokens for (request, _), made in zip(rows, completions, strict=True)}
        self.count(completions, prompts=sum(prompts.values()))
        return completions


def _kind(request: Request) -> tuple[str, Sampling]:
    return request.policy, request.sampling


def _first_batch(group: Sequence[_Waiting], size: int) -> list[_Waiting]:
    taken: list[_Waiting] = []
    rows = 0
    for waiting in group:
        if taken and rows + waiting.request.n > size:
            break
        taken.append(waiting)
        rows += waiting.request.n
    return taken
