"""The server engine: games played through OpenAI-compatible servers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stages.core.engines.base import Completion, Engine, Queue, Request, Sampling
from stages.core.engines.server.models import Card, choose_model, is_named
from stages.core.engines.server.protocol import Response, completion_of, data_url, request_body
from stages.core.engines.server.trainable import COLD, follows_temperature, must_have, probe_body
from stages.core.engines.together import together
from stages.core.errors import InputError, require
from stages.core.game.thinking import thinking_tags
from stages.core.printing.terminal import say
from stages.core.recipe.schema import Recipe
from stages.core.recipe.served import is_served, split_place

if TYPE_CHECKING:
    from stages.core.engines.server.endpoint import Endpoint

PROCESSED = "log-probs at the sampling temperature (vLLM returns them with --logprobs-mode processed_logprobs)"


@dataclass(frozen=True)
class _Policy:
    model: str  # folder, hub name or address
    version: str
    endpoint: Endpoint
    name: str | None  # the model's name on the server, if the user gave it


class ServerEngine(Engine):
    """Answers through `rollout.server.url`, or through the server whose address a policy's model gives.

    A server keeps its weights: `load` only says which of its models plays.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self._recipe = recipe
        self._settings = recipe.rollout.server
        self._endpoints: dict[str, Endpoint] = {}
        self._policies: dict[str, _Policy] = {}
        self._looking = (
            asyncio.Lock()
        )  # guards the fields below, so that each is looked up once however many games start together
        self._cards: dict[_Policy, Card] = {}
        self._lists: dict[str, list[Card] | None] = {}  # by address; None if the server does not list models
        self._processed: dict[
            tuple[str, str], bool
        ] = {}  # by address and model: whether log-probs follow the temperature

    def load(self, policy: str, model: str | Path, version: str) -> None:
        require("openai", "server")
        from stages.core.engines.server.endpoint import Endpoint

        place = str(model)
        url, name = split_place(place) if is_served(place) else (self._settings.url, self._settings.model)
        if url not in self._endpoints:
            self._endpoints[url] = Endpoint(url, self._settings, self.tally)
        self._policies[policy] = _Policy(place, version, self._endpoints[url], name)
        self._versions[policy] = version

    def unload(self, policy: str) -> None:
        super().unload(policy)
        self._policies.pop(policy, None)

    def queue(self) -> Queue:
        queues = [endpoint.queue() for endpoint in self._endpoints.values()]
        return Queue(sum(queue.running for queue in queues), sum(queue.waiting for queue in queues))

    async def disconnect(self) -> None:
        """Close the connections, in the event loop in which they were opened."""
        for endpoint in self._endpoints.values():
            await endpoint.close()

    def close(self) -> None:
        self.run(self.disconnect())
        super().close()

    async def generate(self, request: Request) -> list[Completion]:
        self.version(request.policy)
        policy = self._policies[request.policy]
        endpoint, card = policy.endpoint, await self._card(policy)
        urls = [data_url(picture) for picture in request.pictures]
        options = self._recipe.model.chat_template_options
        # One request per sample: many servers ignore `n`, or draw its samples from one stream of random numbers.
        bodies = [request_body(request, sample, urls, card, self._settings, options) for sample in range(request.n)]
        responses = await together(endpoint.chat(body, request.name) for body in bodies)
        request.check_length(responses[0].prompt_tokens, self._recipe.rollout.max_prompt_tokens)
        with_ids = await self._with_ids(endpoint, card, responses, request.sampling)
        tags = thinking_tags(self._recipe.model)[0]
        completions = [completion_of(response, endpoint.url, tags, with_ids=with_ids) for response in responses]
        self._count(responses)
        return completions

    async def _card(self, policy: _Policy) -> Card:
        """The server's model for a policy, looked up when it first plays."""
        async with self._looking:
            if policy not in self._cards:
                endpoint = policy.endpoint
                if endpoint.url not in self._lists:
                    self._lists[endpoint.url] = await endpoint.models()
                card = choose_model(endpoint.url, policy.name, policy.model, self._lists[endpoint.url])
                self._refuse_other_weights(policy, card)
                _report_stand_in(policy, card)
                self._cards[policy] = card
            return self._cards[policy]

    def _refuse_other_weights(self, policy: _Policy, card: Card) -> None:
        """One model on a server cannot play two different policies, unless the user names it for both."""
        url = policy.endpoint.url
        for other, played in self._cards.items():
            same = (other.endpoint.url, played.id) == (url, card.id)
            if same and other.version != policy.version and not is_served(policy.model):
                raise InputError(
                    f"{url}: its model '{card.id}' already plays {other.model}, so it cannot also play {policy.model}: "
                    f"a server keeps its weights. Serve these too and name them as {url}#<name>; to train, play with "
                    "rollout.engine vllm or transformers"
                )

    async def _with_ids(
        self, endpoint: Endpoint, card: Card, responses: Sequence[Response], sampling: Sampling
    ) -> bool:
        """Whether completions get token ids and log-probs. `InputError` if the recipe requires missing ones."""
        if self._settings.token_ids == "never":
            return False
        missing = sorted({name for response in responses for name in response.missing})
        if not missing and not await self._are_processed(endpoint, card, sampling):
            missing = [PROCESSED]
        must_have(missing, endpoint.url, self._settings)
        return not missing

    async def _are_processed(self, endpoint: Endpoint, card: Card, sampling: Sampling) -> bool:
        """Whether log-probs describe the sampled distribution, not the model at temperature 1."""
        if sampling.temperature in {0.0, 1.0} and sampling.min_tokens == 0 and sampling.repetition_penalty == 1:
            return True  # both are the same
        key = endpoint.url, card.id
        async with self._looking:
            if key not in self._processed:
                bodies = [probe_body(card, temperature, self._settings) for temperature in (1.0, COLD)]
                warm, cold = [await endpoint.chat(body, "a check of its log-probs") for body in bodies]
                self._processed[key] = follows_temperature(warm, cold)
            return self._processed[key]

    def _count(self, responses: Sequence[Response]) -> None:
        """Count by the server's own numbers, since completions may have no token ids."""
        self.tally.completions += len(responses)
        self.tally.tokens_in += responses[0].prompt_tokens
        self.tally.tokens_cached += min(response.cached_tokens or 0 for response in responses)
        self.tally.tokens_out += sum(response.completion_tokens for response in responses)


def _report_stand_in(policy: _Policy, card: Card) -> None:
    """Report an unnamed only model: it may be the policy under another name, or another model."""
    if policy.name is None and not is_served(policy.model) and not is_named(card, policy.model):
        url = policy.endpoint.url
        say(
            f"{url}: its only model, '{card.id}', answers for {policy.model}; if it is a different model, name it as "
            f"{url}#{card.id}, so that rows say which model played"
        )
