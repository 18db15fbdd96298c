"""The Hugging Face `generate` engine: requests of many games are gathered into batches; CPU and CUDA alike."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from stages.core.engines.base import Completion, Engine, Queue, Request, Sampling
from stages.core.recipe.schema import Recipe

if TYPE_CHECKING:
    from stages.core.engines.fit import Fit
    from stages.core.engines.local_policy import Asked, LocalPolicy


@dataclass(eq=False)
class _Waiting:
    asked: Asked
    answer: asyncio.Future[list[Completion]]

    @property
    def n(self) -> int:
        return self.asked.request.n

    @property
    def kind(self) -> tuple[str, Sampling]:
        """What a batch has only one of."""
        return self.asked.request.policy, self.asked.request.sampling

    @property
    def place(self) -> tuple[int, tuple[int, int]]:
        """Longest first, so that a batch holds prompts of about one length; then by game."""
        return -len(self.asked.prompt.ids), self.asked.request.order


class TransformersEngine(Engine):
    """Answers by batched `generate`.

    Whenever every game in play waits for an answer, the waiting requests are batched by length: all of them when the
    recipe is deterministic; otherwise the largest group of equal policy and sampling, `batch_size` completions at once.
    """

    batches = True

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        from stages.core.vlm import set_threads

        set_threads(recipe.threads)
        self._recipe = recipe
        self._queue: list[_Waiting] = []
        self._worker: asyncio.Task[None] | None = None
        self._policies: dict[str, LocalPolicy] = {}
        self._fits: dict[str, Fit] = {}
        self._running = 0  # completions of the batch that is being computed

    def load(self, policy: str, model: str | Path, version: str) -> None:
        from stages.core.engines.local_policy import LocalPolicy

        if self._versions.get(policy) == version:
            return
        self._policies.pop(policy, None)  # free the old weights before the new ones come
        loaded = LocalPolicy(model, self._recipe.model)
        loaded.fit = self._fit(loaded, str(model))
        self._policies[policy] = loaded
        self._versions[policy] = version

    def unload(self, policy: str) -> None:
        self._policies.pop(policy, None)
        super().unload(policy)

    def queue(self) -> Queue:
        return Queue(self._running, sum(waiting.n for waiting in self._queue))

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
        try:
            asked = self._policies[request.policy].ask(request, self._recipe.rollout.max_prompt_tokens)
        except Exception as error:  # as in `_serve`: what spoils one game stops all that wait
            self._fail(self._queue, error)
            raise
        waiting = _Waiting(asked, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(self._serve())
        return await waiting.answer

    def _fit(self, policy: LocalPolicy, place: str) -> Fit:
        """What holds for this kind of model and processor, tried out once, not anew for each set of weights."""
        from stages.core.engines.fit import check_fit

        if policy.kind not in self._fits:
            self._fits[policy.kind] = check_fit(policy.model, policy.processor, place)
            for note in self._fits[policy.kind].notes:
                print(f"warning: {place}: {note}", file=sys.stderr)
        return self._fits[policy.kind]

    async def _serve(self) -> None:
        while self._queue:
            await self._settle()
            self._queue = [waiting for waiting in self._queue if not waiting.answer.done()]
            if not self._queue:
                return
            taken = self._take()
            self._running = sum(waiting.n for waiting in taken)
            try:
                answers = await self._answer(taken)
            except Exception as error:  # whatever it is belongs to the games that wait, and stops them
                self._fail([*taken, *self._queue], error)
                return
            finally:
                self._running = 0
            for waiting, answer in zip(taken, answers, strict=True):
                if not waiting.answer.done():  # an interrupt cancels the games while their batch is computed
                    waiting.answer.set_result(answer)

    def _fail(self, waiting: Sequence[_Waiting], error: Exception) -> None:
        self._queue = []
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
        """The requests to answer now: when deterministic all, so that games finished before a kill do not matter."""
        self._queue.sort(key=lambda waiting: waiting.place)
        if self._recipe.deterministic:
            taken, self._queue = self._queue, []
            return taken
        groups: dict[tuple[str, Sampling], list[_Waiting]] = {}
        for waiting in self._queue:
            groups.setdefault(waiting.kind, []).append(waiting)
        largest = max(groups.values(), key=lambda group: sum(waiting.n for waiting in group))
        taken = _first_batch(largest, self._recipe.rollout.batch_size)
        self._queue = [waiting for waiting in self._queue if waiting not in taken]
        return taken

    async def _answer(self, taken: Sequence[_Waiting]) -> list[list[Completion]]:
        """Answers in the order of `taken`, computed in batches of one policy and sampling each. Ctrl-C ends it between
        two of them."""
        size = self._recipe.rollout.batch_size
        places = sorted(range(len(taken)), key=lambda place: (repr(taken[place].kind), taken[place].place))
        answers: dict[int, list[Completion]] = {place: [] for place in places}
        for _, group in groupby(places, key=lambda place: taken[place].kind):
            rows = [(place, sample) for place in group for sample in range(taken[place].n)]
            for start in range(0, len(rows), size):
                await asyncio.sleep(0)
                batch = rows[start : start + size]
                completions = self._complete([(taken[place].asked, sample) for place, sample in batch])
                for (place, _), completion in zip(batch, completions, strict=True):
                    answers[place].append(completion)
        return [answers[place] for place in range(len(taken))]

    def _complete(self, rows: Sequence[tuple[Asked, int]]) -> list[Completion]:
        """One completion for each (request, sample); all of one policy and one sampling."""
        from stages.core.vlm import device_of

        policy = self._policies[rows[0][0].request.policy]
        completions = policy.complete(rows, device_of(self._recipe.model))
        self.count(completions, prompts=sum(len(asked.prompt.ids) for asked, sample in rows if sample == 0))
        return completions


def _first_batch(group: Sequence[_Waiting], size: int) -> list[_Waiting]:
    taken: list[_Waiting] = []
    rows = 0
    for waiting in group:
        if taken and rows + waiting.n > size:
            break
        taken.append(waiting)
        rows += waiting.n
    return taken
