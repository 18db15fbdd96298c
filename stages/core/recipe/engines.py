"""The `rollout.vllm`, `rollout.server` and `rollout.executor` parts of a recipe: where and how an engine runs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from stages.core.recipe.base import RuntimeField, Section
from stages.core.recipe.served import check_url

# Arguments of vLLM that vz gives, and what decides them.
SET_BY_RECIPE = {
    "model": "set model.path, or --model",
    "revision": "set model.revision",
    "dtype": "set model.dtype",
    "seed": "each request has its own, from the run's seed",
    "max_model_len": "set rollout.max_prompt_tokens, max_clue_tokens, max_vote_tokens and max_thinking_tokens",
    "max_num_seqs": "set rollout.vllm.max_requests",
    "tensor_parallel_size": "set rollout.vllm.tensor_parallel",
    "data_parallel_size": "set rollout.vllm.data_parallel",
    "enforce_eager": "set rollout.vllm.eager",
    "gpu_memory_utilization": "set rollout.vllm.gpu_memory",
    "kv_cache_memory_bytes": "set rollout.vllm.cpu_memory, on GPUs gpu_memory",
    "mm_processor_kwargs": "set model.processor, so that the trainer's are the same",
    "limit_mm_per_prompt": "a prompt has one picture",
    "logprobs_mode": "log-probs have to be those of the sampling temperature",
    "generation_config": "the recipe samples, not the model's generation_config.json",
    "override_generation_config": "set rollout.temperature and the other sampling fields",
    "logits_processors": "training has to know the distribution",
    "enable_lora": "set model.lora",
    "max_lora_rank": "set model.lora.rank",
}


class VllmSettings(Section):
    """The vLLM engine. All but `options` decides speed and memory only, as far as vLLM's arithmetic allows."""

    gpu_memory: float = RuntimeField(
        0.85,
        gt=0,
        le=1,
        description="Share of each GPU's memory that vLLM takes, weights included (vLLM: 0.92).",
    )
    cpu_memory: float = RuntimeField(1.0, gt=0, description="GiB for keys and values where there is no GPU.")
    tensor_parallel: int = RuntimeField(1, ge=1, description="GPUs that share one copy of the weights.")
    data_parallel: int = RuntimeField(
        1,
        ge=1,
        description="Copies of the weights on this machine; games are spread over them.",
    )
    max_requests: int = RuntimeField(256, ge=1, description="Completions computed at once (vLLM's max_num_seqs).")
    weights_at_once: int = RuntimeField(
        1,
        ge=1,
        description="Different full weights held at once, each by an engine of its own with an equal share of "
        "gpu_memory: 2 to play full weights against others. Adapters of one base need only 1.",
    )
    eager: bool = RuntimeField(False, description="Without CUDA graphs and compilation: starts faster, runs slower.")
    options: dict[str, Any] = Field(default_factory=dict, description="Further AsyncEngineArgs of vLLM, by name.")

    @field_validator("options")
    @classmethod
    def _leave_the_recipe_alone(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name in sorted(options.keys() & SET_BY_RECIPE.keys()):
            raise ValueError(f"'{name}' is not an option here: {SET_BY_RECIPE[name]}")
        return options


# What the recipe or the game decides of a request; `extra_body` may leave it out, but not change it.
DECIDED = {"model", "messages", "n", "stream", "seed", "temperature", "top_p", "max_tokens", "max_completion_tokens"}
DECIDED |= {"min_tokens", "repetition_penalty", "repeat_penalty"}
# What else bends a server's distribution, with what leaves it as it is. Rows that were drawn so cannot train.
BENDS = {"top_k": (-1, 0), "min_p": (0,), "typical_p": (1,), "presence_penalty": (0,), "frequency_penalty": (0,)}
DECIDED |= {"chat_template_kwargs"}  # by model.chat_template_options


class ServerSettings(Section):
    """An OpenAI-compatible endpoint: vLLM, SGLang, llama.cpp or a hosted model."""

    url: str = Field("http://localhost:8000/v1", description="The endpoint, up to and with its version path.")
    model: str | None = Field(
        None, description="The model's name there; null: the policy's own, or the only one that the server lists."
    )
    key_variable: str = RuntimeField(
        "OPENAI_API_KEY",
        description="Environment variable with the API key. It is sent to the host of `url` and to no other; none is "
        "sent when it is not set.",
    )
    requests: int = RuntimeField(64, ge=1, description="Requests under way at once.")
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
        description="Token ids and log-probs, without which rows cannot train: auto asks and does without; require "
        "ends the stage without them; never does not ask, for servers that refuse to.",
    )
    limit_field: Literal["max_tokens", "max_completion_tokens"] = RuntimeField(
        "max_tokens",
        description="The server's name for the length limit; some hosted servers accept only the second.",
    )
    extra_body: dict[str, Any] = Field(
        default_factory=dict, description="Further fields of each request, by name; null leaves out one of vz's own."
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        return check_url(url)

    @field_validator("extra_body")
    @classmethod
    def _leaves_the_recipe_alone(cls, extra: dict[str, Any]) -> dict[str, Any]:
        changed = sorted(name for name in DECIDED & extra.keys() if extra[name] is not None)
        if changed:
            raise ValueError(f"'{changed[0]}' is the recipe's to decide; here it may only be null, which leaves it out")
        return extra


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
