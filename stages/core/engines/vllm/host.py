"""One running vLLM engine: its start, its answers, new weights in place, its death and its second life."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from stages.core.engines.base import Queue
from stages.core.engines.vllm.arguments import engine_arguments
from stages.core.engines.vllm.log import EngineLog
from stages.core.engines.vllm.plugin import OWNER
from stages.core.engines.vllm.weights import Weights
from stages.core.errors import InputError, VzError, first_line
from stages.core.recipe.schema import Recipe
from stages.core.seeds import derive

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

T = TypeVar("T")

TRIES_OF_A_REQUEST = 3  # vLLM asks for a picture again when its caches disagree
LOOKS_EVERY = 1.0  # seconds, whether the engine that was ordered something still lives


class Host:
    """An `AsyncLLM` that holds one set of full weights, and the adapters on them."""

    def __init__(self, recipe: Recipe, log: EngineLog) -> None:
        self._recipe = recipe
        self._log = log
        self._engine: AsyncLLM | None = None
        self._adapters: dict[str, int] = {}  # adapter's folder and version → its number at vLLM
        self._changing = asyncio.Lock()
        self._asleep = False
        self._asked = 0
        self.weights: Weights | None = None
        self.rank = 0  # of the largest adapter it can hold
        self.restarts = 0
        self.retries = 0  # requests sent again

    async def take(self, weights: Weights) -> None:
        """Hold these weights: in place where it runs already, else by starting it."""
        async with self._changing:
            if self._engine is not None and weights.rank <= self.rank:
                if self.weights is not None and weights.full == self.weights.full:
                    return
                if _reloads_rightly(self._engine):
                    try:
                        await self._wake()
                        await self._reload(weights)
                        return
                    except _dead() as error:
                        self._bury(error)
            self.close()
            self._start(weights)

    async def answer(
        self, prompt: Any, parameters: SamplingParams, *, adapter: tuple[str, str] | None, game: int
    ) -> RequestOutput:
        """One request, sent again to a new engine if this one dies under it.

        With several copies of the weights a game's requests go to the same copy, which has its prefixes in its cache.
        """
        copies = self._recipe.rollout.vllm.data_parallel
        # Drawn, not counted off: games may have been counted off over several such engines before.
        options = {"data_parallel_rank": derive("copy", game) % copies} if copies > 1 else {}
        for attempt in range(TRIES_OF_A_REQUEST):
            self.retries += attempt > 0
            engine = self._engine
            try:
                output = await self._one(await self._alive(), prompt, parameters, adapter, options)
            except _dead() as error:
                await self._revive(engine, error)
                continue
            if all(one.finish_reason in {"stop", "length"} for one in output.outputs):
                return output
        reasons = sorted({str(one.finish_reason) for one in output.outputs})
        raise VzError(f"vLLM gave no whole answer in {TRIES_OF_A_REQUEST} tries ({', '.join(reasons)})")

    async def sleep(self) -> None:
        """Weights to the CPU's memory, keys and values away; the next request wakes it. vLLM can do so on GPUs only."""
        if self._engine is not None and self._engine.model_config.enable_sleep_mode and not self._asleep:
            with suppress(_dead()):  # what comes next finds it so, and starts another
                await _order(self._engine, self._engine.sleep(level=1))
                self._asleep = True

    def queue(self) -> Queue:
        if self._engine is None:
            return Queue()
        unfinished, settings = self._engine.get_num_unfinished_requests(), self._recipe.rollout.vllm
        running = min(unfinished, settings.max_requests * settings.data_parallel)
        return Queue(running, unfinished - running)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.shutdown()
        self._engine, self.weights, self._asleep = None, None, False

    def _start(self, weights: Weights) -> None:
        from vllm.platforms import current_platform
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM

        on_gpu = not current_platform.is_cpu()
        if self._recipe.model.device != "auto" and (self._recipe.model.device == "cuda") != on_gpu:
            raise InputError(
                f"model.device is {self._recipe.model.device}, but this vLLM was built for "
                f"{current_platform.device_type}: set model.device=auto, or take another engine"
            )
        os.environ[OWNER] = str(os.getpid())
        arguments = engine_arguments(self._recipe, weights, on_gpu=on_gpu)
        began = time.monotonic()
        try:
            with _interruptible():
                # The context decides only how many tokens are computed in a step: as many as offline, not as a chat's.
                self._engine = AsyncLLM.from_engine_args(arguments, usage_context=UsageContext.LLM_CLASS)
        except (ValueError, RuntimeError, OSError, NotImplementedError) as error:
            raise InputError(
                f"{weights.path}: vLLM does not start with it: {first_line(error)}\n{self._log.tail()}"
            ) from error
        if not on_gpu and self._engine.model_config.is_mm_prefix_lm:
            self.close()
            raise InputError(
                f"{weights.path}: lets all tokens of a picture see each other (as Gemma 3 does), which vLLM cannot do "
                "on a CPU: its answers would be another model's; play it with rollout.engine=transformers"
            )
        self.weights, self.rank = weights, arguments.max_lora_rank if arguments.enable_lora else 0
        print(f"vLLM started with {weights.path} in {time.monotonic() - began:.0f} s", file=sys.stderr)

    async def _reload(self, weights: Weights) -> None:
        """New full weights of the same shape. Without the pause the engine's picture cache would outlive them."""
        engine = self._engine
        assert engine is not None
        await _order(engine, engine.pause_generation(mode="wait"))
        try:
            await _order(engine, engine.collective_rpc("reload_weights", kwargs={"weights_path": weights.path}))
        except _dead():
            raise
        except Exception as error:  # whatever vLLM raised, its weights are now neither the old nor the new ones
            self.close()
            raise InputError(
                f"{weights.path}: vLLM cannot take these weights in place of those of the same shape that it holds: "
                f"{first_line(error)}\n{self._log.tail()}"
            ) from error
        await _order(engine, engine.reset_mm_cache())
        await _order(engine, engine.reset_encoder_cache())
        if not await _order(engine, engine.reset_prefix_cache()):
            raise VzError("vLLM keeps prefixes that the old weights computed, although nothing was being computed")
        await _order(engine, engine.resume_generation())
        self.weights = weights

    async def _one(
        self,
        engine: AsyncLLM,
        prompt: Any,
        parameters: SamplingParams,
        adapter: tuple[str, str] | None,
        options: dict[str, Any],
    ) -> RequestOutput:
        self._asked += 1
        lora = self._adapter_request(adapter)
        stream = engine.generate(prompt, parameters, str(self._asked), lora_request=lora, **options)
        async for output in stream:
            last = output
        return last

    def _adapter_request(self, adapter: tuple[str, str] | None) -> Any:
        if adapter is None:
            return None
        from vllm.lora.request import LoRARequest

        path, version = adapter
        number = self._adapters.setdefault(f"{path} {version}", len(self._adapters) + 1)
        return LoRARequest(f"{number}-{version}", number, path)

    async def _alive(self) -> AsyncLLM:
        if self._asleep or self._changing.locked():
            async with self._changing:
                await self._wake()
        if self._engine is None:
            raise VzError(f"the vLLM engine is gone; its log ends with\n{self._log.tail()}")
        return self._engine

    async def _wake(self) -> None:
        if self._asleep and self._engine is not None:
            await _order(self._engine, self._engine.wake_up())
            self._asleep = False

    async def _revive(self, dead: AsyncLLM | None, error: BaseException) -> None:
        """Start again with the same weights, whichever request notices first."""
        async with self._changing:
            if self._engine is not dead:
                return  # another request was quicker
            weights = self.weights
            assert weights is not None
            self._bury(error)
            self._start(weights)

    def _bury(self, error: BaseException) -> None:
        """What is left of a dead engine goes. It may be started again once in this host's life: a second death ends
        the stage."""
        self.close()
        tail = self._log.tail()
        if self.restarts:
            raise VzError(f"the vLLM engine died a second time; its log ends with\n{tail}") from error
        self.restarts += 1
        print(f"the vLLM engine died and is started again; its log ends with\n{tail}", file=sys.stderr)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C at once, while the event loop, which would take it, is held up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


async def _order(engine: AsyncLLM, work: Coroutine[Any, Any, T]) -> T:
    """Await an order that is no request: where the engine dies at it, vLLM 0.32 would let it wait for ever."""
    task = asyncio.create_task(work)
    while not (await asyncio.wait({task}, timeout=LOOKS_EVERY))[0]:
        if engine.errored:
            task.cancel()
            raise _dead()()
    return task.result()


def _reloads_rightly(engine: AsyncLLM) -> bool:
    """On CPUs vLLM 0.32 packs the table that words are said with, and keeps the old one where it is tied to that which
    they are read with: such an engine is started anew."""
    from vllm.platforms import current_platform

    config = engine.model_config.hf_config
    tied = config.tie_word_embeddings or config.get_text_config().tie_word_embeddings
    return not (current_platform.is_cpu() and tied)


def _dead() -> type[Exception]:
    from vllm.v1.engine.exceptions import EngineDeadError

    dead: type[Exception] = EngineDeadError
    return dead


def refusals() -> type[Exception]:
    """What vLLM raises for a request that it will not take, such as a prompt that is too long."""
    from vllm.exceptions import VLLMClientError

    refused: type[Exception] = VLLMClientError
    return refused
