"""The Hugging Face `generate` engine, which batches requests from many games, on CPU and CUDA."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import accumulate, groupby
from pathlib import Path

from stages.core import vlm
from stages.core.clock import ENGINE, clock
from stages.core.engines.base import Completion, Engine, Queue, Request, Sampling
from stages.core.engines.fit import Fit, check_fit
from stages.core.engines.local_policy import LocalPolicy, Question
from stages.core.engines.processing import Processing
from stages.core.engines.together import Batcher
from stages.core.printing.terminal import say
from stages.core.recipe.schema import Recipe
from stages.core.vlm.loading import BUILDING, free_accelerator
from stages.core.vlm.untrusted import library_errors


class TransformersEngine(Engine):
    """Answers with batched `generate`.

    Once every game in play waits for an answer, the engine batches waiting requests by length: all of them if the
    recipe is deterministic, otherwise `batch_size` completions of the largest group with the same policy and sampling.
    """

    batches = times_itself = True

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        vlm.set_threads(recipe.threads)
        self._recipe = recipe
        self._batcher: Batcher[Question, list[Completion]] = Batcher(self._choose, self._answer)
        self._policies: dict[str, LocalPolicy] = {}
        self._processings: set[Processing] = set()  # kept when a policy gets other weights
        self._fits: dict[str, Fit] = {}
        self._running = 0  # completions in the batches being computed

    def load(self, policy: str, model: str | Path, version: str) -> None:
        if self._versions.get(policy) == version:
            return
        self._policies.pop(policy, None)  # free the old weights before loading the new ones
        with library_errors(model, "this model cannot play"):
            processing = Processing.of(model, self._recipe.model)
            self._processings.add(processing)
            loaded = LocalPolicy(model, self._recipe.model, processing)
            loaded.fit = self._fit(loaded, str(model))
        self._policies[policy] = loaded
        self._versions[policy] = version

    def unload(self, policy: str) -> None:
        self._policies.pop(policy, None)
        super().unload(policy)

    def queue(self) -> Queue:
        return Queue(self._running, sum(question.request.n for question in self._batcher.questions))

    def sleep(self) -> None:
        for policy in self._policies.values():
            policy.model.to("cpu")
        free_accelerator()

    def close(self) -> None:
        self._policies.clear()
        self._processings.clear()
        super().close()

    async def generate(self, request: Request) -> list[Completion]:
        self.version(request.policy)
        try:
            with clock.busy(ENGINE):
                question = self._policies[request.policy].question(request, self._recipe.rollout.max_prompt_tokens)
        except Exception as error:  # one unplayable game ends them all
            self._batcher.fail(error)
            raise
        return await self._batcher.ask(question)

    def _fit(self, policy: LocalPolicy, place: str) -> Fit:
        """What works for this kind of model and processor. Tested once, not for each set of weights."""
        if policy.kind not in self._fits:
            self._fits[policy.kind] = check_fit(policy.model, policy.processor, place)
            for note in self._fits[policy.kind].notes:
                say(f"warning: {place}: {note}")
        return self._fits[policy.kind]

    def _choose(self, waiting: list[Question]) -> list[Question]:
        """The questions to answer next: all if deterministic, so that batches do not depend on where a run resumed."""
        waiting.sort(key=_place)
        if self._recipe.deterministic:
            return waiting
        groups: dict[tuple[str, Sampling], list[Question]] = {}
        for question in waiting:
            groups.setdefault(_kind(question), []).append(question)
        largest = max(groups.values(), key=lambda group: sum(question.request.n for question in group))
        rows = accumulate(question.request.n for question in largest)
        return largest[: max(1, sum(total <= self._recipe.rollout.batch_size for total in rows))]

    async def _answer(self, questions: list[Question]) -> list[list[Completion]]:
        """Answers in the questions' order. A batch has one policy and sampling; Ctrl-C takes effect between batches."""
        self._running = sum(question.request.n for question in questions)
        answers: dict[int, list[Completion]] = {id(question): [] for question in questions}
        size = self._recipe.rollout.batch_size
        ordered = sorted(questions, key=lambda question: (repr(_kind(question)), _place(question)))
        try:
            for _, group in groupby(ordered, key=_kind):
                rows = [(question, sample) for question in group for sample in range(question.request.n)]
                for start in range(0, len(rows), size):
                    await asyncio.sleep(0)
                    batch = rows[start : start + size]
                    for (question, _), completion in zip(batch, self._complete(batch), strict=True):
                        answers[id(question)].append(completion)
        finally:
            self._running = 0
        return [answers[id(question)] for question in questions]

    def _complete(self, rows: Sequence[tuple[Question, int]]) -> list[Completion]:
        """A completion for each (question, sample)."""
        policy = self._policies[rows[0][0].request.policy]
        with clock.busy(ENGINE), BUILDING:
            completions = policy.complete(rows, vlm.device_of(self._recipe.model))
        self.count(completions, prompts=sum(len(question.prompt.ids) for question, sample in rows if sample == 0))
        return completions


def _kind(question: Question) -> tuple[str, Sampling]:
    """What all rows of a batch share."""
    return question.request.policy, question.request.sampling


def _place(question: Question) -> tuple[int, tuple[int, int]]:
    """Longest prompt first, so that prompts in a batch have similar lengths; then by game."""
    return -len(question.prompt.ids), question.request.order
