"""The vLLM engine: which host answers for a policy, and how prompts become completions."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from stages.core import vlm
from stages.core.engines.base import Completion, Engine, Queue, Request, sampler_name
from stages.core.engines.picture_cache import PictureCache
from stages.core.engines.vllm.arguments import sampling_parameters
from stages.core.engines.vllm.host import Host, refusals
from stages.core.engines.vllm.log import engine_log
from stages.core.engines.vllm.weights import Weights, weights_of
from stages.core.errors import InputError, require
from stages.core.game.thinking import thinking_tags
from stages.core.recipe.schema import Recipe
from stages.core.vlm.prompts import prompt_ids
from stages.core.vlm.tokens import generation_config

if TYPE_CHECKING:
    from transformers import ProcessorMixin
    from vllm import RequestOutput

STARTUP_SECONDS = "1800"  # for an engine to start, unless the environment says otherwise
TEMPERATURES = (0.01, 2.0)  # vLLM 0.32 silently raises lower ones to the first
PICTURE_BYTES = 1 << 30  # of decoded pictures; a game shows each of its two many times


@dataclass(frozen=True)
class _Policy:
    weights: Weights
    version: str
    host: Host
    processor: ProcessorMixin
    stop_tokens: tuple[int, ...]
    suppressed: tuple[int, ...]
    answers: vlm.AnswerText

    @property
    def adapter(self) -> tuple[str, str] | None:
        return (self.weights.adapter, self.version) if self.weights.adapter else None


class VllmEngine(Engine):
    """Sends every request to vLLM immediately. Its scheduler batches requests and computes shared prompt prefixes once.

    Policies with the same full weights, and adapters on them, share a host. There are up to
    `rollout.vllm.weights_at_once` hosts. When more weights are needed, the host with the oldest weights takes them, and
    its policies are unloaded.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        if recipe.deterministic:
            raise InputError(
                "vLLM batches requests as they come, so it cannot be deterministic: set deterministic=false"
            )
        temperature = recipe.rollout.temperature
        if temperature and not TEMPERATURES[0] <= temperature <= TEMPERATURES[1]:
            raise InputError(
                f"rollout.temperature is {temperature:g}, but vLLM samples from {TEMPERATURES[0]:g} to "
                f"{TEMPERATURES[1]:g}, or greedily at 0"
            )
        self._recipe = recipe
        self._log = engine_log()
        os.environ.setdefault("VLLM_ENGINE_READY_TIMEOUT_S", STARTUP_SECONDS)
        require("vllm", "vllm")
        self._hosts: list[Host] = []  # ordered by when they got their weights
        self._policies: dict[str, _Policy] = {}
        self._replaced: dict[str, str] = {}  # policy → the policy whose weights replaced its own
        self._pictures = PictureCache(None, PICTURE_BYTES)

    def load(self, policy: str, model: str | Path, version: str) -> None:
        if self._versions.get(policy) == version:
            return
        weights = weights_of(model, version, self._recipe.model)
        processor = vlm.load_processor(weights.path if weights.adapter else str(model), self._recipe.model)
        stop, suppressed = _token_rules(weights.path, processor, self._recipe)
        self.unload(policy)
        host = self._host_for(weights, policy)
        self.run(host.take(weights))
        self._hosts.append(self._hosts.pop(self._hosts.index(host)))
        answers = vlm.AnswerText(processor, thinking_tags(self._recipe.model))
        self._policies[policy] = _Policy(weights, version, host, processor, stop, suppressed, answers)
        self._versions[policy] = version
        self._replaced.pop(policy, None)

    def unload(self, policy: str) -> None:
        self._policies.pop(policy, None)  # its host is now free for other weights
        super().unload(policy)

    def version(self, policy: str) -> str:
        if policy in self._replaced:
            raise InputError(
                f"the policies '{policy}' and '{self._replaced[policy]}' have different full weights, but "
                f"rollout.vllm.weights_at_once is {self._recipe.rollout.vllm.weights_at_once}: raise it"
            )
        return super().version(policy)

    async def generate(self, request: Request) -> list[Completion]:
        self.version(request.policy)
        policy = self._policies[request.policy]
        parameters = sampling_parameters(request, policy.stop_tokens, policy.suppressed)
        prompt = self._prompt(request, policy.processor)
        limit = self._recipe.rollout.max_prompt_tokens
        try:
            output = await policy.host.answer(prompt, parameters, adapter=policy.adapter, game=request.order[0])
        except refusals() as error:
            remedy = f"; rollout.max_prompt_tokens is {limit}: raise it" if "maximum model length" in str(error) else ""
            raise InputError(f"{request.name}: vLLM refuses the request: {error}{remedy}") from error
        request.check_length(len(output.prompt_token_ids or []), limit)
        completions = _completions(output, request, policy, sampler_name("vllm", self._recipe.model.dtype))
        self.count(completions, prompts=completions[0].prompt_tokens, cached=output.num_cached_tokens or 0)
        self.tally.restarts = sum(host.restarts for host in self._hosts)
        self.tally.retries = sum(host.retries for host in self._hosts)
        return completions

    def queue(self) -> Queue:
        queues = [host.queue() for host in self._hosts]
        return Queue(sum(queue.running for queue in queues), sum(queue.waiting for queue in queues))

    def sleep(self) -> None:
        for host in self._hosts:
            self.run(host.sleep())

    def close(self) -> None:
        with ExitStack() as stack:  # close each, even if another fails
            stack.callback(super().close)
            for host in self._hosts:
                stack.callback(host.close)
            self._hosts, self._policies = [], {}

    def _host_for(self, weights: Weights, policy: str) -> Host:
        for host in self._hosts:
            if host.weights is not None and host.weights.full == weights.full:
                return host
        used = {id(other.host) for other in self._policies.values()}
        free = [host for host in self._hosts if id(host) not in used]
        if free:
            return free[0]
        if len(self._hosts) < self._recipe.rollout.vllm.weights_at_once:
            self._hosts.append(Host(self._recipe, self._log))
            return self._hosts[-1]
        oldest = self._hosts[0]
        for name in [name for name, other in self._policies.items() if other.host is oldest]:
            del self._policies[name], self._versions[name]
            self._replaced[name] = policy
        return oldest

    def _prompt(self, request: Request, processor: ProcessorMixin) -> Any:
        """Tokens with the picture's placeholder, the picture, and its name, since vLLM encodes a named picture once."""
        prompt: dict[str, Any] = {"prompt_token_ids": prompt_ids(processor, request.messages)}
        if request.pictures:
            prompt["multi_modal_data"] = {"image": self._pictures.load(request.pictures)}
            prompt["multi_modal_uuids"] = {"image": [picture.sha256 or picture.ref for picture in request.pictures]}
        return prompt


def _completions(output: RequestOutput, request: Request, policy: _Policy, sampler: str) -> list[Completion]:
    prompt = list(output.prompt_token_ids or [])
    sha256 = vlm.prompt_hash(prompt)
    made = [
        Completion(
            text=policy.answers.of(one.token_ids),
            token_ids=list(one.token_ids),
            logprobs=list(cast(Any, one.logprobs).logprobs),
            finish_reason=str(one.finish_reason),
            prompt_tokens=len(prompt),
            prompt_sha256=sha256,
            sampler=sampler,
        )
        for one in output.outputs
    ]
    return made * request.n if len(made) < request.n else made  # greedy: one answer serves all samples


def _token_rules(path: str, processor: ProcessorMixin, recipe: Recipe) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tokens that end an answer, and those that must never be drawn, from a model's configuration."""
    from transformers import AutoConfig

    revision = vlm.revision_of(path, recipe.model)
    config = AutoConfig.from_pretrained(path, revision=revision, trust_remote_code=False)
    _check_features(path, config)
    ends = vlm.stop_tokens(generation_config(path, revision), processor)
    return tuple(ends), tuple(vlm.placeholder_tokens(config, processor))


def _check_features(path: str, config: Any) -> None:
    """For LLaVA, vLLM omits the norm after SigLIP's last layer, so its features differ from the trainer's."""
    vision = getattr(config, "vision_config", None)
    if config.model_type != "llava" or not getattr(vision, "model_type", "").startswith("siglip"):
        return
    if config.vision_feature_layer in (-1, config.vision_config.num_hidden_layers):
        raise InputError(
            f"{path}: this LLaVA uses features of SigLIP's last layer, which vLLM computes without the last norm; set "
            "rollout.engine=transformers"
        )
