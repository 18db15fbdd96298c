"""The memory of one engine, term by term, in bytes."""

from __future__ import annotations

from dataclasses import dataclass

from stages.core.engines.vllm.arguments import ADAPTERS, TOKENS_A_STEP, copies, longest_sequence
from stages.core.errors import InputError
from stages.core.estimate.machine import GIB, Machine
from stages.core.estimate.training import FP32, NF4, PROCESS, Memory
from stages.core.estimate.workload import Phase, Workload
from stages.core.recipe import Recipe
from stages.core.vlm.size import ModelSize

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
GRAPHS = GIB  # vLLM's CUDA graphs, on a GPU (docs.vllm.ai, "Conserving Memory"; about 1 GiB for a 7B model)
GPU_TOKENS_A_STEP = 8192  # vLLM's default on GPUs
SAMPLING = 6  # fp32 copies of the logits while drawing a token: log-softmax, probabilities, sums in fp64


@dataclass(frozen=True)
class Playing:
    """An engine's memory, and how many answers it computes at once."""

    memory: Memory
    most: int  # most answers that one engine computes at once, if there is room
    cache: int  # tokens whose keys and values fit in one engine
    engines: int

    def at_once(self, phase: Phase) -> float:
        """Answers that one engine computes at once in a phase, whose prompts share their beginnings in the cache."""
        return max(1.0, min(self.most, self.cache / (phase.tree / phase.rows + phase.answer)))


def kv_bytes(size: ModelSize, recipe: Recipe) -> int:
    """Bytes of one token's keys and values."""
    return 2 * size.language.layers * size.language.keys * BYTES[recipe.model.dtype]


def playing_memory(size: ModelSize, recipe: Recipe, work: Workload, machine: Machine) -> Playing:
    """The memory of one of the recipe's engines, on one GPU or in one process."""
    if recipe.rollout.engine == "vllm":
        return _vllm(size, recipe, machine)
    return _transformers(size, recipe, work, machine)


def _vllm(size: ModelSize, recipe: Recipe, machine: Machine) -> Playing:
    """vLLM's memory: weights and a step's activations come first; keys and values take the rest of its share.

    `InputError` if there are too few GPUs for the copies of the weights, or too little memory for keys and values.
    """
    settings, width = recipe.rollout.vllm, BYTES[recipe.model.dtype]
    parts = settings.tensor_parallel
    step = GPU_TOKENS_A_STEP if machine.is_gpu else max(longest_sequence(recipe), TOKENS_A_STEP)
    adapters = ADAPTERS * size.adapter.weights * width // parts if size.adapter else 0
    fixed = {
        "weights": size.weights * width // parts,
        "adapters": adapters,
        "activations": step * width * (2 * size.language.inner + 4 * size.language.hidden) // parts
        + settings.max_requests * size.vocabulary * FP32,
        "CUDA graphs": 0 if settings.eager or not machine.is_gpu else GRAPHS,
        "process": PROCESS["cuda"] if machine.is_gpu else PROCESS["cpu"],
    }
    if machine.is_gpu:
        cache = int(settings.gpu_memory / settings.weights_at_once * machine.memory) - sum(fixed.values())
    else:
        cache = int(settings.cpu_memory * GIB / settings.weights_at_once)
    longest = longest_sequence(recipe) * kv_bytes(size, recipe) // parts
    if cache < longest:
        share = f"rollout.vllm.gpu_memory is {settings.gpu_memory:g}" if machine.is_gpu else "rollout.vllm.cpu_memory"
        least = (sum(fixed.values()) * machine.is_gpu + longest) / (machine.memory if machine.is_gpu else GIB)
        raise InputError(
            f"playing: vLLM's share of the memory ({share}) leaves {max(0, cache) / GIB:.1f} GiB for keys and values, "
            f"but the longest prompt and answer need {longest / GIB:.1f} GiB: set it to {least + 0.005:.2f} or more"
        )
    tokens, engines = cache * parts // kv_bytes(size, recipe), copies(settings, machine.gpus)
    return Playing(Memory({**fixed, "KV cache": cache}, "", {}), settings.max_requests, tokens, engines)


def _transformers(size: ModelSize, recipe: Recipe, work: Workload, machine: Machine) -> Playing:
    """The transformers engine's memory: it computes a batch of prompts whole, then its answers token by token."""
    width, rows = BYTES[recipe.model.dtype], recipe.rollout.batch_size
    length = max(phase.longest + phase.limit for phase in (work.clues, work.votes))
    packed = size.language.linear if recipe.model.quantization == "4bit" else 0
    held = {
        "weights": round(width * (size.weights - packed) + NF4 * packed),
        "adapters": size.adapter.weights * width if size.adapter else 0,
        "process": PROCESS["cuda"] if machine.is_gpu else PROCESS["cpu"],
    }
    prompts = -(-rows // max(1, recipe.game.votes)) if work.votes.longest > work.clues.longest else rows
    prefill = prompts * max(work.clues.longest, work.votes.longest)
    comes = {
        "KV cache": rows * length * kv_bytes(size, recipe),
        "activations": prefill * width * (2 * size.language.inner + 4 * size.language.hidden),
        "logits": rows * size.vocabulary * FP32 * SAMPLING,
    }
    return Playing(Memory(held, "a batch", comes), rows, rows * length, recipe.rollout.executor.workers)
