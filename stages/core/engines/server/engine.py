"""The server engine: requests of many games at an OpenAI-compatible endpoint, retried until each is answered."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.engines.base import Completion, Engine, Queue, Request, Sampling
from stages.core.engines.server.advice import Refused, refusal
from stages.core.engines.server.models import Card, choose_model, is_named
from stages.core.engines.server.pictures import DataUrls
from stages.core.engines.server.protocol import Response, completion_of, request_body
from stages.core.engines.server.trainable import COLD, follows_temperature, must_have, probe_body
from stages.core.engines.together import together
from stages.core.errors import InputError, require
from stages.core.game.thinking import thinking_tags
from stages.core.recipe.schema import Recipe
from stages.core.recipe.served import is_served, split_place

if TYPE_CHECKING:
    from stages.core.engines.server.endpoint import Endpoint

PROCESSED = "log-probs at the sampling temperature (vLLM does with --logprobs-mode processed_logprobs)"


@dataclass(frozen=True)
class _Policy:
    """What was asked for; the server is looked at when the policy first plays."""

    place: str  # folder, hub name or address
    version: str
    endpoint: Endpoint
    wanted: str | None  # the model's name there, where the user gave it


class ServerEngine(Engine):
    """Answers through `rollout.server.url`, or through the server whose address a policy's place is.

    A server has the weights that it has: `load` only says which of its models plays.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self._settings = recipe.rollout.server
        self._tags = thinking_tags(recipe.model)[0]
        self._template_options = recipe.model.chat_template_options
        self._max_prompt_tokens = recipe.rollout.max_prompt_tokens
        self._endpoints: dict[str, Endpoint] = {}
        self._policies: dict[str, _Policy] = {}
        self._urls = DataUrls()
        self._asking = asyncio.Lock()  # of what follows: asked once, however many games begin at once
        self._models: dict[_Policy, Card] = {}
        self._lists: dict[str, list[Card] | None] = {}  # by address; None: the server has none
        self._scales: dict[tuple[str, str], bool] = {}  # by address and model: whether log-probs follow the temperature

    def load(self, policy: str, model: str | Path, version: str) -> None:
        require("openai", "server")
        place = str(model)
        url, wanted = split_place(place) if is_served(place) else (self._settings.url, self._settings.model)
        self._policies[policy] = _Policy(place, version, self._endpoint(url), wanted)
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
        model = await self._model(policy)
        urls = [self._urls.of(picture) for picture in request.pictures]
        # Not one request of n samples: sample i is drawn with seed + i whoever answers, but many servers ignore `n`, or
        # draw its samples from one stream; and a lost answer costs one sample only.
        bodies = [
            request_body(request, sample, urls, model, self._settings, self._template_options)
            for sample in range(request.n)
        ]
        responses = await together(self._post(policy.endpoint, body, request.name) for body in bodies)
        request.check_length(responses[0].prompt_tokens, self._max_prompt_tokens)
        with_ids = await self._with_ids(policy.endpoint, model, responses, request.sampling)
        completions = [
            completion_of(response, policy.endpoint.url, self._tags, with_ids=with_ids) for response in responses
        ]
        self._count(responses)
        return completions

    def _endpoint(self, url: str) -> Endpoint:
        from stages.core.engines.server.endpoint import Endpoint

        if url not in self._endpoints:
            self._endpoints[url] = Endpoint(url, self._settings, self.tally)
        return self._endpoints[url]

    async def _post(self, endpoint: Endpoint, body: dict[str, Any], what: str) -> Response:
        try:
            return await endpoint.chat(body, what)
        except Refused as refused:
            raise refusal(endpoint, self._settings, refused, what, body) from None

    async def _model(self, policy: _Policy) -> Card:
        """The server's model that plays a policy."""
        async with self._asking:
            if policy not in self._models:
                cards = await self._list(policy.endpoint)
                card = choose_model(policy.endpoint.url, policy.wanted, policy.place, cards)
                self._refuse_other_weights(policy, card)
                _tell_of_stand_in(policy, card)
                self._models[policy] = card
            return self._models[policy]

    async def _list(self, endpoint: Endpoint) -> list[Card] | None:
        if endpoint.url not in self._lists:
            try:
                self._lists[endpoint.url] = await endpoint.models()
            except Refused as refused:
                if refused.status not in {404, 405}:
                    raise refusal(endpoint, self._settings, refused, "its list of models", ()) from None
                self._lists[endpoint.url] = None
        return self._lists[endpoint.url]

    def _refuse_other_weights(self, policy: _Policy, card: Card) -> None:
        """One model of a server cannot stand for two policies that differ, unless the user names it for both."""
        for other, model in self._models.items():
            same = (other.endpoint.url, model.id) == (policy.endpoint.url, card.id)
            if same and other.version != policy.version and not is_served(policy.place):
                raise InputError(
                    f"{policy.endpoint.url}: its model '{card.id}' played {other.place}, so it cannot play "
                    f"{policy.place} too: a server keeps the weights that it has. Serve these as well and name them as "
                    f"{policy.endpoint.url}#<name>; to train, play with rollout.engine vllm or transformers"
                )

    async def _with_ids(
        self, endpoint: Endpoint, model: Card, responses: Sequence[Response], sampling: Sampling
    ) -> bool:
        """Whether completions get token ids and log-probs. `InputError` where they must and cannot."""
        if self._settings.token_ids == "never":
            return False
        missing = sorted({name for response in responses for name in response.missing})
        if not missing and not await self._are_processed(endpoint, model, sampling):
            missing = [PROCESSED]
        must_have(missing, endpoint.url, self._settings)
        return not missing

    async def _are_processed(self, endpoint: Endpoint, model: Card, sampling: Sampling) -> bool:
        """Whether log-probs are those of what was drawn from, not of the model at temperature 1."""
        if sampling.temperature in {0.0, 1.0} and sampling.min_tokens == 0 and sampling.repetition_penalty == 1:
            return True  # there is no difference
        key = endpoint.url, model.id
        async with self._asking:
            if key not in self._scales:
                bodies = [probe_body(model, degree, self._settings) for degree in (1.0, COLD)]
                warm, cold = [await self._post(endpoint, body, "a look at its log-probs") for body in bodies]
                self._scales[key] = follows_temperature(warm, cold)
            return self._scales[key]

    def _count(self, responses: Sequence[Response]) -> None:
        """By what the server says it computed, since completions may have no token ids."""
        self.tally.completions += len(responses)
        self.tally.tokens_in += responses[0].prompt_tokens
        self.tally.tokens_cached += min(response.cached_tokens or 0 for response in responses)
        self.tally.tokens_out += sum(response.completion_tokens for response in responses)


def _tell_of_stand_in(policy: _Policy, card: Card) -> None:
    """Nobody named the server's only model: it may be the policy under another name, or not."""
    if policy.wanted is None and not is_served(policy.place) and not is_named(card, policy.place):
        print(
            f"{policy.endpoint.url}: its only model, '{card.id}', answers for {policy.place}; if it is another one, "
            f"name it as {policy.endpoint.url}#{card.id}, so that rows tell who played",
            file=sys.stderr,
        )
