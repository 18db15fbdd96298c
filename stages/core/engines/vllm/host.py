"""One running vLLM engine: how it starts, answers, takes new weights, and restarts after it dies."""

from __future__ import annotations

import asyncio
import os
import signal
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
from stages.core.printing.terminal import say
from stages.core.recipe.schema import Recipe
from stages.core.seeds import derive

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

T = TypeVar("T")

TRIES = 3  # for a request; vLLM gives up on one when its picture caches disagree
CHECK_SECONDS = 1.0  # between checks whether the engine is alive while it carries out an order


class Host:
    """An `AsyncLLM` with one set of full weights, and the adapters on them."""

    def __init__(self, recipe: Recipe, log: EngineLog) -> None:
        self._recipe = recipe
        self._log = log
        self._engine: AsyncLLM | None = None
        self._adapters: dict[tuple[str, str], int] = {}  # an adapter's folder and version → vLLM's number for it
        self._changing = asyncio.Lock()
        self._asleep = False
        self._requests = 0  # numbers them
        self.weights: Weights | None = None
        self.rank = 0  # of the largest adapter that it can load
        self._copies = 1  # of the weights
        self.restarts = 0
        self.retries = 0  # requests sent again
        self._end = "the vLLM engine is gone"  # the error of every request while there is no engine

    async def take(self, weights: Weights) -> None:
        """Load these weights into the running engine if possible, else into a new one."""
        async with self._changing:
            if self._engine is not None and weights.rank <= self.rank:
                if self.weights is not None and weights.full == self.weights.full:
                    return
                if _reloads_correctly(self._engine):
                    try:
                        await self._wake()
                        await self._reload(weights)
                        return
                    except _dead() as error:
                        self._report_death(error)
            self.close()
            self._start(weights)

    async def answer(
        self, prompt: Any, parameters: SamplingParams, *, adapter: tuple[str, str] | None, game: int
    ) -> RequestOutput:
        """Answer one request. If the engine dies, the request goes to its replacement.

        With several copies of the weights, all requests of a game go to one copy, whose cache has their prefixes.
        """
        # A hash, since the fleet may send every second or every eighth game to this engine.
        options = {"data_parallel_rank": derive("copy", game) % self._copies} if self._copies > 1 else {}
        for attempt in range(TRIES):
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
        raise VzError(f"vLLM gave no complete answer in {TRIES} tries ({', '.join(reasons)})")

    async def sleep(self) -> None:
        """Until the next request, move the weights to the CPU's memory and drop keys and values. Only on GPUs."""
        if self._engine is not None and self._engine.model_config.enable_sleep_mode and not self._asleep:
            with suppress(_dead()):  # the next request will notice
                await _order(self._engine, self._engine.sleep(level=1))
                self._asleep = True

    def queue(self) -> Queue:
        if self._engine is None:
            return Queue()
        unfinished, settings = self._engine.get_num_unfinished_requests(), self._recipe.rollout.vllm
        running = min(unfinished, settings.max_requests * self._copies)
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
        gpus = current_platform.device_count() if on_gpu else 0
        if self._recipe.model.device != "auto" and (self._recipe.model.device == "cuda") != on_gpu:
            raise InputError(
                f"model.device is {self._recipe.model.device}, but this vLLM was built for "
                f"{current_platform.device_type}: set model.device=auto, or another rollout.engine"
            )
        os.environ[OWNER] = str(os.getpid())
        arguments = engine_arguments(self._recipe, weights, gpus=gpus)
        began = time.monotonic()
        try:
            with _interruptible():
                # The context only decides how many tokens a step computes: as many as offline, not as few as for chat.
                config = arguments.create_engine_config(UsageContext.LLM_CLASS)
                _check_attention(weights.path, config.model_config, on_gpu)
                self._engine = AsyncLLM.from_vllm_config(
                    config, usage_context=UsageContext.LLM_CLASS, disable_log_stats=arguments.disable_log_stats
                )
        except (ValueError, RuntimeError, OSError, NotImplementedError) as error:
            raise InputError(
                f"{weights.path}: vLLM cannot start with this model: {first_line(error)}\n{self._log.tail()}"
            ) from error
        self._copies = arguments.data_parallel_size
        self.weights, self.rank = weights, arguments.max_lora_rank if arguments.enable_lora else 0
        say(f"vLLM started with {weights.path} in {time.monotonic() - began:.0f} s")

    async def _reload(self, weights: Weights) -> None:
        """Load full weights of the same shape. Without the pause, cached picture features would stay."""
        engine = self._engine
        assert engine is not None
        await _order(engine, engine.pause_generation(mode="wait"))
        try:
            await _order(engine, engine.collective_rpc("reload_weights", kwargs={"weights_path": weights.path}))
        except _dead():
            raise
        except Exception as error:  # its weights are now neither old nor new
            self.close()
            raise InputError(
                f"{weights.path}: vLLM cannot replace its weights with these: {first_line(error)}\n{self._log.tail()}"
            ) from error
        await _order(engine, engine.reset_mm_cache())
        await _order(engine, engine.reset_encoder_cache())
        if not await _order(engine, engine.reset_prefix_cache()):
            raise VzError("vLLM did not empty its prefix cache, which has results from the old weights")
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
        from vllm.lora.request import LoRARequest

        self._requests += 1
        lora = None
        if adapter is not None:
            number = self._adapters.setdefault(adapter, len(self._adapters) + 1)
            lora = LoRARequest(f"{number}-{adapter[1]}", number, adapter[0])
        async for output in engine.generate(prompt, parameters, str(self._requests), lora_request=lora, **options):
            last = output
        return last

    async def _alive(self) -> AsyncLLM:
        if self._asleep or self._changing.locked():
            async with self._changing:
                await self._wake()
        if self._engine is None:
            raise VzError(f"{self._end}; its log ends with\n{self._log.tail()}")
        return self._engine

    async def _wake(self) -> None:
        if self._asleep and self._engine is not None:
            await _order(self._engine, self._engine.wake_up())
            self._asleep = False

    async def _revive(self, dead: AsyncLLM | None, error: BaseException) -> None:
        """Restart with the same weights. The first request that notices does so for all."""
        async with self._changing:
            if self._engine is not dead:
                return  # another request did so
            weights = self.weights
            assert weights is not None
            self._report_death(error)
            self._start(weights)

    def _report_death(self, error: BaseException) -> None:
        """Free what is left of a dead engine. `VzError` if it died before, since vz restarts it only once."""
        self.close()
        tail = self._log.tail()
        if self.restarts:
            self._end = "the vLLM engine died a second time"
            raise VzError(f"{self._end}; its log ends with\n{tail}") from error
        self.restarts += 1
        say(f"the vLLM engine died and is restarting; its log ends with\n{tail}")


def _check_attention(model: str, config: Any, on_gpu: bool) -> None:
    if config.is_mm_prefix_lm and not on_gpu:
        raise InputError(
            f"{model}: in this model all tokens of a picture attend to each other (as in Gemma 3), which vLLM cannot "
            "compute on a CPU; set rollout.engine=transformers"
        )


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C take effect at once, although the event loop that handles it is blocked."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


async def _order(engine: AsyncLLM, work: Coroutine[Any, Any, T]) -> T:
    """Await something other than a request. vLLM 0.32 would wait forever if the engine died meanwhile."""
    task = asyncio.create_task(work)
    while not (await asyncio.wait({task}, timeout=CHECK_SECONDS))[0]:
        if engine.errored:
            task.cancel()
            raise _dead()()
    return task.result()


def _reloads_correctly(engine: AsyncLLM) -> bool:
    """Whether vLLM 0.32 loads new weights correctly. On CPUs, it keeps old output embeddings tied to the input."""
    from vllm.platforms import current_platform

    config = engine.model_config.hf_config
    tied = config.tie_word_embeddings or config.get_text_config().tie_word_embeddings
    return not (current_platform.is_cpu() and tied)


def _dead() -> type[Exception]:
    from vllm.v1.engine.exceptions import EngineDeadError

    dead: type[Exception] = EngineDeadError
    return dead


def refusals() -> type[Exception]:
    """The exception that vLLM raises for a request that it refuses, such as a prompt that is too long."""
    from vllm.exceptions import VLLMClientError

    refused: type[Exception] = VLLMClientError
    return refused
