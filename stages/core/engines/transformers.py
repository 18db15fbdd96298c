"""The Hugging Face `generate` engine: requests of many games are gathered into batches; CPU and CUDA alike."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from itertools import accumulate, groupby
from pathlib import Path
from typing import TYPE_CHECKING

from stages.core.engines.base import Completion, Engine, Queue, Request, Sampling
from stages.core.engines.together import Batcher
from stages.core.recipe.schema import Recipe

if TYPE_CHECKING:
    from stages.core.engines.fit import Fit
    from stages.core.engines.local_policy import Asked, LocalPolicy


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
        self._batcher: Batcher[Asked, list[Completion]] = Batcher(self._choose, self._answer)
        self._policies: dict[str, LocalPolicy] = {}
        self._fits: dict[str, Fit] = {}
        self._running = 0  # completions of the batches that are being computed

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
        return Queue(self._running, sum(asked.request.n for asked in self._batcher.questions))

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
        except Exception as error:  # one game that cannot be played stops them all
            self._batcher.fail(error)
            raise
        return await self._batcher.ask(asked)

    def _fit(self, policy: LocalPolicy, place: str) -> Fit:
        """What holds for this kind of model and processor, tried out once, not anew for each set of weights."""
        from stages.core.engines.fit import check_fit

        if policy.kind not in self._fits:
            self._fits[policy.kind] = check_fit(policy.model, policy.processor, place)
            for note in self._fits[policy.kind].notes:
                print(f"warning: {place}: {note}", file=sys.stderr)
        return self._fits[policy.kind]

    def _choose(self, waiting: list[Asked]) -> list[Asked]:
        """The next batches: all if deterministic, so that games finished before a kill do not matter."""
        waiting.sort(key=_place)
        if self._recipe.deterministic:
            return waiting
        groups: dict[tuple[str, Sampling], list[Asked]] = {}
        for asked in waiting:
            groups.setdefault(_kind(asked), []).append(asked)
        largest = max(groups.values(), key=lambda group: sum(asked.request.n for asked in group))
        rows = accumulate(asked.request.n for asked in largest)
        return largest[: max(1, sum(total <= self._recipe.rollout.batch_size for total in rows))]

    async def _answer(self, questions: list[Asked]) -> list[list[Completion]]:
        """Answers in the order of the questions. Every batch has one policy and one sampling; Ctrl-C takes effect
        between batches."""
        self._running = sum(asked.request.n for asked in questions)
        answers: dict[int, list[Completion]] = {id(asked): [] for asked in questions}
        size = self._recipe.rollout.batch_size
        ordered = sorted(questions, key=lambda asked: (repr(_kind(asked)), _place(asked)))
        try:
            for _, group in groupby(ordered, key=_kind):
                rows = [(asked, sample) for asked in group for sample in range(asked.request.n)]
                for start in range(0, len(rows), size):
                    await asyncio.sleep(0)
                    batch = rows[start : start + size]
                    for (asked, _), completion in zip(batch, self._complete(batch), strict=True):
                        answers[id(asked)].append(completion)
        finally:
            self._running = 0
        return [answers[id(asked)] for asked in questions]

    def _complete(self, rows: Sequence[tuple[Asked, int]]) -> list[Completion]:
        """A completion of each (question, sample)."""
        from stages.core.vlm import device_of

        policy = self._policies[rows[0][0].request.policy]
        completions = policy.complete(rows, device_of(self._recipe.model))
        self.count(completions, prompts=sum(len(asked.prompt.ids) for asked, sample in rows if sample == 0))
        return completions


def _kind(asked: Asked) -> tuple[str, Sampling]:
    """What all rows of a batch share."""
    return asked.request.policy, asked.request.sampling


def _place(asked: Asked) -> tuple[int, tuple[int, int]]:
    """Longest prompt first, so that a batch holds prompts of about one length; then by game."""
    return -len(asked.prompt.ids), asked.request.order
