"""The `rollout.vllm`, `rollout.server` and `rollout.executor` sections: where and how an engine runs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from stages.core.recipe.base import RuntimeField, Section
from stages.core.recipe.options import without_secrets_or_code
from stages.core.recipe.served import check_url

# Arguments of vLLM that vz sets, and what decides each.
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
    "kv_cache_memory_bytes": "set rollout.vllm.cpu_memory, on GPUs gpu_memory",
    "mm_processor_kwargs": "set model.processor, so that the trainer's are the same",
    "limit_mm_per_prompt": "a prompt has one picture",
    "logprobs_mode": "log-probs must be those at the sampling temperature",
    "generation_config": "the recipe samples, not the model's generation_config.json",
    "override_generation_config": "set rollout.temperature and the other sampling fields",
    "logits_processors": "training must know the distribution",
    "enable_lora": "set model.lora",
    "max_lora_rank": "set model.lora.rank",
}


class VllmSettings(Section):
    """The vLLM engine. Everything but `options` decides only speed and memory."""

    gpu_memory: float = RuntimeField(
        0.85,
        gt=0,
        le=1,
        description="Share of each GPU's memory that vLLM takes, weights included (vLLM: 0.92).",
    )
    cpu_memory: float = RuntimeField(1.0, gt=0, description="GiB for keys and values where there is no GPU.")
    tensor_parallel: int = RuntimeField(1, ge=1, description="GPUs that share one copy of the weights.")
    data_parallel: int | None = RuntimeField(
        None,
        ge=1,
        description="Copies of the weights on this machine; games are spread over them. null: as many as its GPUs "
        "hold, which is their number divided by tensor_parallel.",
    )
    max_requests: int = RuntimeField(256, ge=1, description="Completions computed at once (vLLM's max_num_seqs).")
    weights_at_once: int = RuntimeField(
        1,
        ge=1,
        description="Different full weights loaded at once, each in an engine with an equal share of gpu_memory. "
        "Set 2 to play full weights against others; adapters of one base need only 1.",
    )
    eager: bool = RuntimeField(False, description="No CUDA graphs or compilation: starts sooner, runs slower.")
    options: dict[str, Any] = Field(default_factory=dict, description="More AsyncEngineArgs of vLLM, by name.")

    @field_validator("options")
    @classmethod
    def _check_options(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name in sorted(options.keys() & SET_BY_RECIPE.keys()):
            raise ValueError(f"'{name}' cannot be set here: {SET_BY_RECIPE[name]}")
        return without_secrets_or_code(options)


# Fields of a request that the recipe or the game decides. `extra_body` may leave them out, but not change them.
DECIDED = {"model", "messages", "n", "stream", "seed", "temperature", "top_p", "max_tokens", "max_completion_tokens"}
DECIDED |= {"min_tokens", "repetition_penalty", "repeat_penalty"}
# Other fields that change the distribution, with their neutral values. With other values rows cannot train.
NEUTRAL = {"top_k": (-1, 0), "min_p": (0,), "typical_p": (1,), "presence_penalty": (0,), "frequency_penalty": (0,)}
DECIDED |= {"chat_template_kwargs"}  # by model.chat_template_options


class ServerSettings(Section):
    """An OpenAI-compatible server: vLLM, SGLang, llama.cpp or a hosted model."""

    url: str = Field("http://localhost:8000/v1", description="The address, with its version path.")
    model: str | None = Field(
        None,
        description="The model's name at the server. null: the policy's own name, or the server's only model.",
    )
    key_variable: str | None = RuntimeField(
        None,
        description="Environment variable with the API key, if VZ_KEYS allows several for this server. vz sends a key "
        "only to the host for which VZ_KEYS allows it (docs/engines.md).",
    )
    requests: int = RuntimeField(64, ge=1, description="Requests at once.")
    timeout: float = RuntimeField(600, gt=0, description="Longest wait for one answer, in seconds.")
    attempts: int = RuntimeField(
        20,
        ge=1,
        description="Tries of one request before the stage ends: after 408, 409, 429, 5xx, lost connections and "
        "answers that are not whole. The pause grows from half a second to 8, so 20 tries take two minutes at least. A "
        "server may ask for a longer pause (Retry-After), up to two minutes.",
    )
    token_ids: Literal["auto", "require", "never"] = Field(
        "auto",
        description="Token ids and log-probs, which rows need to train. auto: ask for them, and play without if the "
        "server has none. require: stop if it has none. never: do not ask, for servers that refuse such requests.",
    )
    limit_field: Literal["max_tokens", "max_completion_tokens"] = RuntimeField(
        "max_tokens",
        description="The server's name for the longest answer; some hosted servers accept only the second.",
    )
    extra_body: dict[str, Any] = Field(
        default_factory=dict, description="More fields of each request, by name; null leaves out one that vz sends."
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
            raise ValueError(f"'{changed[0]}' is decided by the recipe; extra_body may only leave it out, by null")
        return without_secrets_or_code(extra)


class Executor(Section):
    """Engines in several processes of a Ray cluster. Each game stays with one of them."""

    workers: int = Field(
        1,
        ge=1,
        description="Engines, each with rollout.concurrent_games games. 1 without an address runs in vz's own process.",
    )
    gpus: float = Field(0, ge=0, description="GPUs that each worker reserves.")
    cpus: float = Field(1, ge=0, description="CPU cores that each worker reserves.")
    address: str | None = Field(
        None,
        description="Address of the Ray cluster, whose machines all see the same files. null: the one of RAY_ADDRESS, "
        "else a new one on this machine.",
    )

    @property
    def spreads(self) -> bool:
        """Whether engines run outside vz's own process."""
        return self.workers > 1 or self.address is not None
