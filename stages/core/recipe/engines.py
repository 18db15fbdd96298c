"""The `rollout.vllm`, `rollout.server` and `rollout.executor` sections: where and how an engine runs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from stages.core.recipe.base import RuntimeField, Section
from stages.core.recipe.options import without_secrets_or_code
from stages.core.recipe.served import check_url

# vLLM arguments that vz sets, and what determines each.
SET_BY_RECIPE = {
    "model": "set model.path, or --model",
    "revision": "set model.revision",
    "dtype": "set model.dtype",
    "seed": "each request has its own seed, derived from the run's",
    "max_model_len": "set rollout.max_prompt_tokens, max_clue_tokens, max_vote_tokens and max_thinking_tokens",
    "max_num_seqs": "set rollout.vllm.max_requests",
    "tensor_parallel_size": "set rollout.vllm.tensor_parallel",
    "data_parallel_size": "set rollout.vllm.data_parallel",
    "enforce_eager": "set rollout.vllm.eager",
    "gpu_memory_utilization": "set rollout.vllm.gpu_memory",
    "kv_cache_memory_bytes": "set rollout.vllm.cpu_memory, or gpu_memory on GPUs",
    "mm_processor_kwargs": "set model.processor, so that the trainer uses the same",
    "limit_mm_per_prompt": "a prompt has one picture",
    "logprobs_mode": "log-probs must be those at the sampling temperature",
    "generation_config": "the recipe decides sampling, not the model's generation_config.json",
    "override_generation_config": "set rollout.temperature and the other sampling fields",
    "logits_processors": "training must know the distribution",
    "enable_lora": "set model.lora",
    "max_lora_rank": "set model.lora.rank",
}


class VllmSettings(Section):
    """The vLLM engine. All fields except `options` affect only speed and memory."""

    gpu_memory: float = RuntimeField(
        0.85,
        gt=0,
        le=1,
        description="Share of each GPU's memory that vLLM takes, weights included (vLLM: 0.92).",
    )
    cpu_memory: float = RuntimeField(1.0, gt=0, description="GiB for the KV cache on a machine without a GPU.")
    tensor_parallel: int = RuntimeField(1, ge=1, description="GPUs that share one copy of the weights.")
    data_parallel: int | None = RuntimeField(
        None,
        ge=1,
        description="Copies of the weights on this machine; games are spread over them. null: as many as fit, which "
        "is the number of GPUs divided by tensor_parallel.",
    )
    max_requests: int = RuntimeField(256, ge=1, description="Completions computed at once (vLLM's max_num_seqs).")
    weights_at_once: int = RuntimeField(
        1,
        ge=1,
        description="Number of different full weights loaded at once, each in an engine with an equal share of "
        "gpu_memory. Set 2 to play full weights against others; adapters of one base need only 1.",
    )
    eager: bool = RuntimeField(False, description="No CUDA graphs or compilation: starts sooner, runs slower.")
    options: dict[str, Any] = Field(default_factory=dict, description="Further vLLM AsyncEngineArgs, by name.")

    @field_validator("options")
    @classmethod
    def _check_options(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name in sorted(options.keys() & SET_BY_RECIPE.keys()):
            raise ValueError(f"'{name}' cannot be set here: {SET_BY_RECIPE[name]}")
        return without_secrets_or_code(options)


# Request fields that the recipe or the game sets. `extra_body` may leave them out, but not change them.
DECIDED = {"model", "messages", "n", "stream", "seed", "temperature", "top_p", "max_tokens", "max_completion_tokens"}
DECIDED |= {"min_tokens", "repetition_penalty", "repeat_penalty"}
# Other fields that change the distribution, with their neutral values. Rows sampled with other values cannot train.
NEUTRAL = {"top_k": (-1, 0), "min_p": (0,), "typical_p": (1,), "presence_penalty": (0,), "frequency_penalty": (0,)}
DECIDED |= {"chat_template_kwargs"}  # set by model.chat_template_options


class ServerSettings(Section):
    """An OpenAI-compatible server: vLLM, SGLang, llama.cpp or a hosted model."""

    url: str = Field("http://localhost:8000/v1", description="The address, with its version path.")
    model: str | None = Field(
        None,
        description="The model's name on the server. null: the policy's own name, or the server's only model.",
    )
    key_variable: str | None = RuntimeField(
        None,
        description="Environment variable that holds the API key, if VZ_KEYS allows several for this server. vz sends "
        "a key only to the host for which VZ_KEYS allows it (docs/engines.md).",
    )
    requests: int = RuntimeField(64, ge=1, description="Number of concurrent requests.")
    timeout: float = RuntimeField(600, gt=0, description="Longest wait for one answer, in seconds.")
    attempts: int = RuntimeField(
        20,
        ge=1,
        description="Attempts at one request before the stage ends: vz retries after 408, 409, 429, 5xx, lost "
        "connections and incomplete answers. The pause grows from half a second to 8, so 20 attempts take at least "
        "two minutes. A server may ask for a longer pause (Retry-After), up to two minutes.",
    )
    token_ids: Literal["auto", "require", "never"] = Field(
        "auto",
        description="Token ids and log-probs, which rows need to train. auto: ask for them, and play without them if "
        "the server has none. require: stop if it has none. never: do not ask, for servers that refuse these requests.",
    )
    limit_field: Literal["max_tokens", "max_completion_tokens"] = RuntimeField(
        "max_tokens",
        description="The server's name for the limit on answer length; some hosted servers accept only "
        "max_completion_tokens.",
    )
    extra_body: dict[str, Any] = Field(
        default_factory=dict,
        description="Further fields for each request, by name; null leaves out a field that vz sends.",
    )

    @field_validator("url")
    @classmethod
    def _check_address(cls, url: str) -> str:
        return check_url(url)

    @field_validator("extra_body")
    @classmethod
    def _check_extra_body(cls, extra: dict[str, Any]) -> dict[str, Any]:
        changed = sorted(name for name in DECIDED & extra.keys() if extra[name] is not None)
        if changed:
            raise ValueError(f"the recipe sets '{changed[0]}'; extra_body may only leave it out, with null")
        return without_secrets_or_code(extra)


class Executor(Section):
    """Engines in several processes of a Ray cluster. Each game stays with one of them."""

    workers: int = Field(
        1,
        ge=1,
        description="Number of engines, each with rollout.concurrent_games games. With 1 and no address, the engine "
        "runs in vz's own process.",
    )
    gpus: float = Field(0, ge=0, description="GPUs that each worker reserves.")
    cpus: float = Field(1, ge=0, description="CPU cores that each worker reserves.")
    address: str | None = Field(
        None,
        description="Address of the Ray cluster; all its machines must see the same files. null: the cluster in "
        "RAY_ADDRESS, or else a new one on this machine.",
    )

    @property
    def spreads(self) -> bool:
        """Whether engines run outside vz's own process."""
        return self.workers > 1 or self.address is not None
