"""One running vLLM engine: its start, its answers, new weights in place, its death and its second life."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from stages.core.engines.base import Queue
from stages.core.engines.vllm.arguments import engine_arguments
from stages.core.engines.vllm.log import EngineLog
from stages.core.engines.vllm.plugin import OWNER
from stages.core.engines.vllm.weights import Weights
from stages.core.errors import InputError, VzError
from stages.core.recipe.schema import Recipe

if TYPE_CHECKING:
    from vllm import RequestOutput, SamplingParams
    from vllm.v1.engine.async_llm import AsyncLLM

TRIES_OF_A_REQUEST = 3  # vLLM asks for a picture again when its caches disagree


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

    async def take(self, weights: Weights) -> None:
        """Hold these weights: in place where it runs already, else by starting it."""
        async with self._changing:
            if self._engine is not None and weights.rank <= self.rank:
                if self.weights is not None and weights.full == self.weights.full:
                    return
                if _reloads_rightly(self._engine):
                    await self._wake()
                    await self._reload(weights)
                    return
            self.close()
            self._start(weights)

    async def answer(
        self, prompt: Any, parameters: SamplingParams, *, adapter: tuple[str, str] | None, game: int
    ) -> RequestOutput:
        """One request, sent again to a new engine if this one dies under it.

        With several copies of the weights a game's requests go to the same copy, which has its prefixes in its cache.
        """
        copies = self._recipe.rollout.vllm.data_parallel
        options = {"data_parallel_rank": game % copies} if copies > 1 else {}
        for _ in range(TRIES_OF_A_REQUEST):
            engine = await self._alive()
            try:
                output = await self._one(engine, prompt, parameters, adapter, options)
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
            await self._engine.sleep(level=1)
            self._asleep = True

    def queue(self) -> Queue:
        if self._engine is None:
            return Queue()
        unfinished = self._engine.get_num_unfinished_requests()
        running = min(unfinished, self._recipe.rollout.vllm.max_requests)
        return Queue(running, unfinished - running)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.shutdown()
        self._engine, self.weights, self._asleep = None, None, False

    def _start(self, weights: Weights) -> None:
        from vllm.platforms import current_platform
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
            self._engine = AsyncLLM.from_engine_args(arguments)
        except (ValueError, RuntimeError, OSError, NotImplementedError) as error:
            raise InputError(
                f"{weights.path}: vLLM does not start with it: {_first_line(error)}\n{self._log.tail()}"
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
        await engine.pause_generation(mode="wait")
        try:
            await engine.collective_rpc("reload_weights", kwargs={"weights_path": weights.path})
        except Exception as error:  # whatever vLLM raised, its weights are now neither the old nor the new ones
            self.close()
            raise InputError(
                f"{weights.path}: vLLM cannot take these weights in place of those of the same shape that it holds: "
                f"{_first_line(error)}\n{self._log.tail()}"
            ) from error
        await engine.reset_mm_cache()
        await engine.reset_encoder_cache()
        await engine.reset_prefix_cache()
        await engine.resume_generation()
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
            await self._engine.wake_up()
            self._asleep = False

    async def _revive(self, dead: AsyncLLM, error: BaseException) -> None:
        """Start again, once in this host's life, whichever request notices first. A second death ends the stage."""
        async with self._changing:
            if self._engine is not dead:
                return  # another request was quicker
            weights = self.weights
            assert weights is not None
            self.close()
            tail = self._log.tail()
            if self.restarts:
                raise VzError(f"the vLLM engine died a second time; its log ends with\n{tail}") from error
            self.restarts += 1
            print(f"the vLLM engine died and is started again; its log ends with\n{tail}", file=sys.stderr)
            self._start(weights)


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


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
