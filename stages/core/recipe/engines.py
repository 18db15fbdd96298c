"""The `rollout.vllm`, `rollout.server` and `rollout.executor` parts of a recipe: where and how an engine runs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from stages.core.recipe.base import Section


class VllmSettings(Section):
    """The vLLM engine. All but `weights_at_once` decides speed and memory only, as far as vLLM's arithmetic allows."""

    gpu_memory: float = Field(
        0.85, gt=0, le=1, description="Share of each GPU's memory that vLLM takes, weights included (vLLM: 0.92)."
    )
    cpu_memory: float = Field(1.0, gt=0, description="GiB for keys and values where there is no GPU.")
    tensor_parallel: int = Field(1, ge=1, description="GPUs that share one copy of the weights.")
    data_parallel: int = Field(1, ge=1, description="Copies of the weights on this machine; games are spread on them.")
    max_requests: int = Field(256, ge=1, description="Completions in computation at once (vLLM's max_num_seqs).")
    weights_at_once: int = Field(
        1,
        ge=1,
        description="Different full weights held at once, each by an engine of its own with an equal share of "
        "gpu_memory: 2 to play full weights against others. Adapters of one base need only 1.",
    )
    eager: bool = Field(False, description="Without CUDA graphs and compilation: starts faster, runs slower.")
    startup_seconds: float = Field(1800, gt=0, description="Longest wait for an engine to start, in seconds.")
    options: dict[str, Any] = Field(default_factory=dict, description="Further AsyncEngineArgs of vLLM, by name.")


class ServerSettings(Section):
    """An OpenAI-compatible endpoint: vLLM, SGLang, llama.cpp or a hosted model."""

    url: str = Field("http://localhost:8000/v1", description="The endpoint, up to and with its version path.")
    model: str | None = Field(
        None, description="The model's name there; null: the policy's own, or the only one that the server lists."
    )
    key_variable: str = Field(
        "OPENAI_API_KEY", description="Environment variable with the API key; none is sent when it is not set."
    )
    requests: int = Field(64, ge=1, description="Requests under way at once.")
    timeout: float = Field(600, gt=0, description="Longest wait for one answer, in seconds.")
    attempts: int = Field(
        8, ge=1, description="Tries of one request before the stage ends: after 408, 409, 429, 5xx, lost connections "
        "and answers that are not whole."
    )
    backoff: float = Field(
        1.0, ge=0, description="Wait before the second try, in seconds; doubled each time, up to 60, with jitter."
    )
    token_ids: Literal["auto", "require", "never"] = Field(
        "auto",
        description="Token ids and log-probs, without which rows cannot train: auto asks and does without; require "
        "ends the stage without them; never does not ask, for servers that refuse to.",
    )
    extra_body: dict[str, Any] = Field(default_factory=dict, description="Further fields of each request, by name.")


class Executor(Section):
    """Engines in several processes, on this machine or on many. Games are spread on them by their place."""

    kind: Literal["local", "ray"] = Field(
        "local", description="Processes of this machine, or actors of a Ray cluster (all machines see the same files)."
    )
    workers: int = Field(1, ge=1, description="Engines; 1 with local runs it in vz's own process.")
    gpus: float = Field(0, ge=0, description="GPUs that Ray reserves for a worker.")
    cpus: float = Field(1, ge=0, description="CPU cores that Ray reserves for a worker.")
    address: str | None = Field(
        None, description="Address of the Ray cluster; null: the one of RAY_ADDRESS, else one on this machine."
    )
    restarts: int = Field(3, ge=0, description="Times that a worker which died is started again.")
