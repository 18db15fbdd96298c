"""Whether a server's answers contain what training needs: token ids, and log-probs at the sampling temperature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stages.core.engines.server.models import Card
from stages.core.engines.server.protocol import Response
from stages.core.errors import InputError
from stages.core.recipe.engines import ServerSettings

COLD = 0.01  # a temperature at which the likeliest token is almost certain
CERTAIN = -0.1  # nats; if the likeliest token is more likely than this, its log-prob says nothing
NOISE = 0.05  # nats, of half precision


def must_have(missing: Sequence[str], url: str, settings: ServerSettings) -> None:
    """`InputError` if anything that the recipe requires is missing."""
    if missing and settings.token_ids == "require":
        raise InputError(
            f"{url}: returns no {' and no '.join(missing)}, which rollout.server.token_ids=require demands; use a "
            "server that does, or set rollout.server.token_ids=auto for rows that cannot train"
        )


def probe_body(model: Card, temperature: float, settings: ServerSettings) -> dict[str, Any]:
    """A request for one token where many are likely, and for the log-prob of the likeliest."""
    return {
        "model": model.id,
        "messages": [{"role": "user", "content": "Say any word."}],
        "temperature": temperature,
        settings.limit_field: 1,
        "logprobs": True,
        "top_logprobs": 2,  # vLLM counts the sampled token as one of them
        **model.dialect.neutral,
    }


def follows_temperature(warm: Response, cold: Response) -> bool:
    """Whether log-probs change with the temperature; true if unknown.

    `warm` and `cold` answer `probe_body` at temperature 1 and at `COLD`. By default, vLLM's log-probs are always those
    at temperature 1.
    """
    at_one, at_cold = _highest(warm), _highest(cold)
    if at_one is None or at_cold is None or at_one > CERTAIN:
        return True
    return abs(at_one - at_cold) > NOISE


def _highest(response: Response) -> float | None:
    if not response.sampled:
        return None
    token = response.sampled[0]
    return max([token.logprob, *(other.logprob for other in token.top_logprobs)])
