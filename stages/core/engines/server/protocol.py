"""Requests and answers of `POST /chat/completions`, as this project's requests and completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from stages.core.engines.base import Completion, Request, sampler_name
from stages.core.engines.server.faults import TryAgain
from stages.core.engines.server.models import Card
from stages.core.errors import InputError
from stages.core.game.prompting import Message
from stages.core.game.thinking import Tags
from stages.core.recipe.engines import ServerSettings
from stages.core.vlm import prompt_hash

UNFINISHED = {None, "abort", "error"}  # finish reasons of answers that were given up
EMPTY_AND_WHOLE = {"length", "content_filter"}  # the model thought until the limit, or was silenced


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None
    reasoning: str | None = None  # where the server takes the thought out of the content (vLLM, SGLang) …
    reasoning_content: str | None = None  # … under either name

    @property
    def thought(self) -> str:
        return self.reasoning or self.reasoning_content or ""

    def text(self, tags: Tags) -> str:
        """The whole answer, with its thought between `tags`, as a model writes it."""
        said = self.content or self.refusal
        if not self.thought:
            return said or ""
        opening, closing = tags
        return f"{opening}{self.thought}" if said is None else f"{opening}{self.thought}{closing}{said}"


class _Likely(BaseModel):
    logprob: float


class _Token(_Likely):
    top_logprobs: list[_Likely] = []


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None
    token_ids: list[int] | None = None  # vLLM and SGLang, the stop token included
    prompt_token_ids: list[int] | None = None  # SGLang


class _Details(BaseModel):
    cached_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None


class Response(BaseModel):
    """What vz reads of a response. A server that says nothing of `usage` leaves token counts at 0."""

    choices: list[_Choice] = Field(min_length=1)
    usage: _Usage | None = None
    prompt_token_ids: list[int] | None = None  # vLLM

    @property
    def tokens(self) -> _Usage:
        return self.usage or _Usage()

    @property
    def cached_tokens(self) -> int:
        details = self.tokens.prompt_tokens_details
        return (details and details.cached_tokens) or 0

    @property
    def prompt_ids(self) -> list[int] | None:
        return self.prompt_token_ids or self.choices[0].prompt_token_ids

    @property
    def sampled(self) -> list[_Token] | None:
        """The answer's tokens with their log-probs."""
        logprobs = self.choices[0].logprobs
        return None if logprobs is None else logprobs.content

    @property
    def missing(self) -> list[str]:
        """What of it a trainer would miss."""
        wanted = {
            "token ids": self.choices[0].token_ids,
            "prompt token ids": self.prompt_ids,
            "log-probs": self.sampled,
        }
        return [name for name, value in wanted.items() if value is None]


def read_response(content: bytes) -> Response:
    """Raises `TryAgain` or pydantic's `ValidationError` where the response is not whole."""
    response = Response.model_validate_json(content)
    reason, message = response.choices[0].finish_reason, response.choices[0].message
    if reason in UNFINISHED:
        raise TryAgain(f"an answer that was given up (finish_reason {reason})")
    silent = message.content is None and message.refusal is None and not message.thought
    if silent and reason not in EMPTY_AND_WHOLE:
        raise TryAgain("an answer without content")
    return response


def request_body(
    request: Request,
    sample: int,
    urls: Sequence[str],
    model: Card,
    settings: ServerSettings,
    template_options: Mapping[str, Any],
) -> dict[str, Any]:
    """The JSON of one sample. `urls` are the request's pictures in order."""
    sampling = request.sampling
    body = {
        "model": model.id,
        "messages": _messages(request.messages, urls),
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        settings.limit_field: sampling.max_tokens,
        "seed": request.seed + sample,
        **model.dialect.neutral,
    }
    # These are no part of the protocol, and strict servers refuse what they do not know.
    if sampling.repetition_penalty != 1:
        body[model.dialect.repetition_penalty] = sampling.repetition_penalty
    if sampling.min_tokens > 0:
        body["min_tokens"] = sampling.min_tokens
    if template_options:
        body["chat_template_kwargs"] = dict(template_options)
    if settings.token_ids != "never":
        body |= {"logprobs": True, "return_token_ids": True}
    body |= settings.extra_body
    return {name: value for name, value in body.items() if value is not None}


def _messages(messages: Sequence[Message], urls: Sequence[str]) -> list[Message]:
    left = iter(urls)
    return [
        {
            "role": message["role"],
            "content": [
                {"type": "text", "text": part["text"]}
                if part["type"] == "text"
                else {"type": "image_url", "image_url": {"url": next(left)}}
                for part in message["content"]
            ],
        }
        for message in messages
    ]


def completion_of(response: Response, url: str, tags: Tags, *, with_ids: bool) -> Completion:
    """With token ids and log-probs if `with_ids`, which the response must then have; else with empty lists."""
    choice = response.choices[0]
    ids, tokens = (choice.token_ids or [], response.sampled or []) if with_ids else ([], [])
    if len(ids) != len(tokens):
        raise InputError(
            f"{url}: gives {len(ids)} token ids with {len(tokens)} log-probs, so its rows cannot train; "
            "set rollout.server.token_ids=never to play without"
        )
    return Completion(
        text=choice.message.text(tags),
        token_ids=ids,
        logprobs=[token.logprob for token in tokens],
        finish_reason="length" if choice.finish_reason == "length" else "stop",
        prompt_tokens=response.tokens.prompt_tokens,
        prompt_sha256=prompt_hash(response.prompt_ids or []) if with_ids else None,
        sampler=sampler_name("server"),
    )
