"""Remedies for requests that a server refuses permanently."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING

from stages.core.engines.server.keys import Key, how_to_allow

if TYPE_CHECKING:
    import httpx2

LONGEST_QUOTE = 500  # characters quoted from a server's message

# Fields that some servers refuse, and the settings that leave them out.
LEFT_OUT_BY = {
    "return_token_ids": "rollout.server.token_ids=never",
    "logprobs": "rollout.server.token_ids=never",
    "chat_template_kwargs": "rollout.server.extra_body={chat_template_kwargs: null}",
    "min_tokens": "rollout.min_clue_tokens=0 and rollout.min_vote_tokens=0",
    "repetition_penalty": "rollout.clue_repetition_penalty=1 and rollout.vote_repetition_penalty=1",
    "repeat_penalty": "rollout.clue_repetition_penalty=1 and rollout.vote_repetition_penalty=1",
}


def own_words(response: httpx2.Response) -> str:
    """The message in an error response: `error.message` (OpenAI), `message`, `detail` (FastAPI), or its beginning."""
    if response.is_redirect:
        return f"redirects to {response.headers.get('location', 'nowhere')}"
    try:
        body = response.json()
    except ValueError:
        body = response.text
    for key in ("error", "message", "detail"):
        if isinstance(body, dict) and body.get(key):
            body = body[key]
    found = body if isinstance(body, str) else json.dumps(body)
    return " ".join(found.split())[:LONGEST_QUOTE] or "no message"


def advice(status: int, words: str, url: str, key: Key, sent: Collection[str]) -> str:
    """The remedy for a request that the server will never answer. `sent` are the names of the request's fields."""
    if status in {401, 403}:
        return _about_key(url, key)
    if status == 404:
        return "correct the model's name, or the address up to its version path (…/v1)"
    return _about_fields(words, sent)


def _about_key(url: str, key: Key) -> str:
    if key.value:
        return f"put a valid key in the environment variable {key.variable}"
    if key.variable:
        allow = how_to_allow(url, key.variable)
        return f"no key was sent: put it in the environment variable {key.variable}, and set {allow}"
    return (
        "no key was sent, since you have allowed none for this server: put it in an environment variable such as "
        f"MY_KEY, and set {how_to_allow(url)}"
    )


def _about_fields(words: str, sent: Collection[str]) -> str:
    if "max_completion_tokens" in words:
        return "set rollout.server.limit_field=max_completion_tokens"
    present = [name for name in LEFT_OUT_BY if name in sent]
    named = [name for name in present if name in words] or present
    known = [f"{name} (left out by {LEFT_OUT_BY[name]})" for name in named]
    return (
        f"vz sent {', '.join(known) or 'only fields of the OpenAI protocol'}; to leave out any other field, set "
        "rollout.server.extra_body={<name>: null}"
    )
