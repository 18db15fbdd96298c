"""Turns the recipe into vLLM's engine arguments and sampling parameters."""

from __future__ import annotations

from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any

from stages.core.engines.base import Request, Sampling
from stages.core.engines.vllm.weights import Weights, check_experts
from stages.core.errors import InputError
from stages.core.recipe.engines import VllmSettings
from stages.core.recipe.schema import Recipe

if TYPE_CHECKING:
    from vllm import SamplingParams
    from vllm.engine.arg_utils import AsyncEngineArgs

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # for which vLLM can reserve memory
TOKENS_A_STEP = 4096  # on a CPU; vLLM's default there
ADAPTERS = 8  # loaded at once; a round has few opponents


def engine_arguments(recipe: Recipe, weights: Weights, *, gpus: int) -> AsyncEngineArgs:
    """The arguments for an engine with these weights, on a machine with `gpus` GPUs (0: on its CPU).

    `InputError` for an option that vLLM does not know, or if the recipe needs more GPUs than the machine has.
    """
    from vllm.engine.arg_utils import AsyncEngineArgs

    values = argument_values(recipe, weights, gpus=gpus)
    try:
        return AsyncEngineArgs(**values, enable_log_requests=False, disable_log_stats=True)  # vz keeps its own
    except TypeError as error:
        raise InputError(f"rollout.vllm.options: vLLM's AsyncEngineArgs refuses these options: {error}") from error


def argument_values(recipe: Recipe, weights: Weights, *, gpus: int) -> dict[str, Any]:
    """vLLM's engine arguments by name."""
    settings = recipe.rollout.vllm
    return {
        "model": weights.path,
        "revision": weights.revision,
        "dtype": recipe.model.dtype,
        "seed": recipe.seed % 2**32,
        "max_model_len": longest_sequence(recipe),
        "max_num_seqs": settings.max_requests,
        "tensor_parallel_size": settings.tensor_parallel,
        "data_parallel_size": copies(settings, gpus),
        "enforce_eager": settings.eager,
        "enable_prefix_caching": True,
        "limit_mm_per_prompt": {"image": 1, "video": 0},
        "mm_processor_kwargs": processor_options(recipe) or None,
        "logprobs_mode": "processed_logprobs",  # at the sampling temperature
        "generation_config": "vllm",  # the recipe decides sampling, not the model's own generation_config.json
        **(_on_gpu(recipe) if gpus else _on_cpu(recipe)),
        **_adapters(recipe, weights),
        **settings.options,
    }


def copies(settings: VllmSettings, gpus: int) -> int:
    """The number of copies of the weights. `InputError` if they need too many GPUs."""
    found = settings.data_parallel or max(1, gpus // settings.tensor_parallel)
    if gpus and found * settings.tensor_parallel > gpus:
        raise InputError(
            f"rollout.vllm needs {found * settings.tensor_parallel} GPUs (data_parallel × tensor_parallel), but vLLM "
            f"sees {gpus}: lower one of them, or set data_parallel=null for all GPUs"
        )
    return found


def longest_sequence(recipe: Recipe) -> int:
    """Tokens in the longest prompt and answer that the recipe allows."""
    rollout = recipe.rollout
    return rollout.max_prompt_tokens + max(rollout.longest("clue"), rollout.longest("decision"))


def processor_options(recipe: Recipe) -> dict[str, Any]:
    """Processor options that replace those in the model's folder."""
    limits = {"min_pixels": recipe.model.min_pixels, "max_pixels": recipe.model.max_pixels}
    return {**recipe.model.processor, **{name: value for name, value in limits.items() if value is not None}}


def sampling_parameters(request: Request, stop: tuple[int, ...], suppressed: tuple[int, ...]) -> SamplingParams:
    """The parameters for a request. vLLM draws sample i with seed + i. Greedy samples are equal, so it computes one."""
    parameters = copy(_parameters(request.sampling, stop, suppressed))
    parameters.n = 1 if request.sampling.temperature == 0 else request.n
    parameters.seed = request.seed
    return parameters


@cache
def _parameters(sampling: Sampling, stop: tuple[int, ...], suppressed: tuple[int, ...]) -> SamplingParams:
    """The parameters that similar requests share. Creating them takes as long as the rest of a request."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        min_tokens=sampling.min_tokens,
        repetition_penalty=sampling.repetition_penalty,
        stop_token_ids=list(stop),
        logit_bias=dict.fromkeys(suppressed, -100.0) or None,
        logprobs=0,  # of the sampled token alone
        flat_logprobs=True,
        detokenize=False,  # done once, at the end
        output_kind=RequestOutputKind.FINAL_ONLY,
        skip_clone=True,  # each request gets its own copy, which vLLM may change
    )


def _on_gpu(recipe: Recipe) -> dict[str, Any]:
    settings = recipe.rollout.vllm
    return {"gpu_memory_utilization": settings.gpu_memory / settings.weights_at_once, "enable_sleep_mode": True}


def _on_cpu(recipe: Recipe) -> dict[str, Any]:
    """Prompts are computed whole, since for chunks vLLM 0.32 rewinds random generators, which CPUs cannot do."""
    settings = recipe.rollout.vllm
    return {
        "kv_cache_memory_bytes": int(settings.cpu_memory * 2**30 / settings.weights_at_once),
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(longest_sequence(recipe), TOKENS_A_STEP),
    }


def _adapters(recipe: Recipe, weights: Weights) -> dict[str, Any]:
    lora = recipe.model.lora
    try:
        check_experts(lora.target_parameters if lora else [])
    except ValueError as error:
        raise InputError(
            f"model.lora.target_parameters: vLLM cannot serve this adapter: {error}; set rollout.engine=transformers"
        ) from error
    wanted = max(weights.rank, lora.rank if lora else 0)
    if wanted == 0:
        return {}
    fitting = [rank for rank in LORA_RANKS if rank >= wanted]
    if not fitting:
        raise InputError(f"model.lora.rank: vLLM serves adapters up to rank {LORA_RANKS[-1]}, not {wanted}")
    return {"enable_lora": True, "max_lora_rank": fitting[0], "max_loras": ADAPTERS}
