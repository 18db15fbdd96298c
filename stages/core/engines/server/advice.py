"""What the user can do about a request that a server refuses for good."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from stages.core.engines.server.faults import Refused
from stages.core.errors import InputError
from stages.core.recipe.engines import ServerSettings
from stages.core.recipe.served import origin

if TYPE_CHECKING:
    from stages.core.engines.server.endpoint import Endpoint

# Fields that some servers refuse, and what leaves them out.
LEAVES_OUT = {
    "return_token_ids": "rollout.server.token_ids=never",
    "logprobs": "rollout.server.token_ids=never",
    "chat_template_kwargs": "rollout.server.extra_body={chat_template_kwargs: null}",
    "min_tokens": "rollout.min_clue_tokens=0 and rollout.min_vote_tokens=0",
    "repetition_penalty": "rollout.clue_repetition_penalty=1 and rollout.vote_repetition_penalty=1",
    "repeat_penalty": "rollout.clue_repetition_penalty=1 and rollout.vote_repetition_penalty=1",
}


def refusal(
    endpoint: Endpoint, settings: ServerSettings, refused: Refused, what: str, sent: Collection[str]
) -> InputError:
    """The error for a user; `sent` are the names of the request's fields."""
    said = f"{endpoint.url}: {what}: {endpoint.without_key(refused.words)} ({refused.status})"
    if refused.status in {401, 403}:
        return InputError(f"{said}: {_about_the_key(endpoint, settings)}")
    if refused.status == 404:
        return InputError(f"{said}: correct the model's name, or the address up to its version path (…/v1)")
    return InputError(f"{said}: {_about_fields(refused.words, sent)}")


def _about_the_key(endpoint: Endpoint, settings: ServerSettings) -> str:
    if endpoint.has_key:
        return f"put another key into the environment variable {settings.key_variable}"
    if origin(endpoint.url) != origin(settings.url):
        return (
            f"no key was sent, since the one in {settings.key_variable} goes to the host of rollout.server.url alone: "
            f"set rollout.server.url={endpoint.url}"
        )
    return f"no key was sent: put it into the environment variable {settings.key_variable}"


def _about_fields(words: str, sent: Collection[str]) -> str:
    if "max_completion_tokens" in words:
        return "set rollout.server.limit_field=max_completion_tokens"
    present = [name for name in LEAVES_OUT if name in sent]
    blamed = [name for name in present if name in words] or present
    known = [f"{name} (not with {LEAVES_OUT[name]})" for name in blamed]
    return (
        f"it was sent {', '.join(known) or 'nothing beyond the OpenAI protocol'}; any other field is left out with "
        "rollout.server.extra_body={<name>: null}"
    )
