"""Turns requests into the JSON of `POST /chat/completions`, and its answers into completions."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from PIL import Image
from pydantic import AliasPath, BaseModel, Field

from stages.core.engines.base import Completion, Request, sampler_name
from stages.core.engines.server.models import Card
from stages.core.errors import InputError
from stages.core.game.prompting import Message
from stages.core.game.thinking import Tags
from stages.core.pictures import Picture
from stages.core.recipe.engines import ServerSettings
from stages.core.vlm import prompt_hash

CACHED_PICTURES = 256  # data URLs kept; a game shows each of its two pictures many times
ORIENTATION, UPRIGHT = 0x0112, 1  # EXIF
UNFINISHED = {None, "abort", "error"}  # finish reasons of answers that the server gave up on
EMPTY_AND_WHOLE = {"length", "content_filter"}  # the model thought until the limit, or was filtered


class Incomplete(Exception):
    """An answer that the server may complete on a second request."""


class _Likely(BaseModel):
    logprob: float


class _Token(_Likely):
    top_logprobs: list[_Likely] = []


def _choice(*path: str) -> AliasPath:
    return AliasPath("choices", 0, *path)


class Response(BaseModel):
    """What vz reads from a response, whose only choice is the answer. Servers may leave out everything but the text."""

    content: str | None = Field(None, validation_alias=_choice("message", "content"))
    refusal: str | None = Field(None, validation_alias=_choice("message", "refusal"))
    # Some servers (vLLM, SGLang) move the thought out of the content, into one of these fields.
    reasoning: str | None = Field(None, validation_alias=_choice("message", "reasoning"))
    reasoning_content: str | None = Field(None, validation_alias=_choice("message", "reasoning_content"))
    finish_reason: str | None = Field(None, validation_alias=_choice("finish_reason"))
    sampled: list[_Token] | None = Field(None, validation_alias=_choice("logprobs", "content"))
    token_ids: list[int] | None = Field(None, validation_alias=_choice("token_ids"))  # with the stop token
    prompt_token_ids: list[int] | None = None  # vLLM
    choice_prompt_ids: list[int] | None = Field(None, validation_alias=_choice("prompt_token_ids"))  # SGLang
    prompt_tokens: int = Field(0, validation_alias=AliasPath("usage", "prompt_tokens"))
    completion_tokens: int = Field(0, validation_alias=AliasPath("usage", "completion_tokens"))
    cached_tokens: int | None = Field(
        None, validation_alias=AliasPath("usage", "prompt_tokens_details", "cached_tokens")
    )

    @property
    def thought(self) -> str:
        return self.reasoning or self.reasoning_content or ""

    @property
    def prompt_ids(self) -> list[int] | None:
        return self.prompt_token_ids or self.choice_prompt_ids

    @property
    def missing(self) -> list[str]:
        """What training needs and the response lacks."""
        needed = {"token ids": self.token_ids, "prompt token ids": self.prompt_ids, "log-probs": self.sampled}
        return [name for name, value in needed.items() if value is None]

    def text(self, tags: Tags) -> str:
        """The whole answer as the model wrote it, with its thought between `tags`."""
        said = self.content or self.refusal
        if not self.thought:
            return said or ""
        opening, closing = tags
        return f"{opening}{self.thought}" if said is None else f"{opening}{self.thought}{closing}{said}"


def read_response(content: bytes) -> Response:
    """Read a response. `Incomplete` or pydantic's `ValidationError` if it is not complete."""
    response = Response.model_validate_json(content)
    if response.finish_reason in UNFINISHED:
        raise Incomplete(f"an answer that the server gave up on (finish_reason {response.finish_reason})")
    silent = response.content is None and response.refusal is None and not response.thought
    if silent and response.finish_reason not in EMPTY_AND_WHOLE:
        raise Incomplete("an answer without content")
    return response


def request_body(
    request: Request,
    sample: int,
    urls: Sequence[str],
    model: Card,
    settings: ServerSettings,
    template_options: Mapping[str, Any],
) -> dict[str, Any]:
    """The JSON for one sample. `urls` are the request's pictures in order."""
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
    # These are not part of the protocol, and strict servers refuse unknown fields.
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
    remaining = iter(urls)
    return [
        {
            "role": message["role"],
            "content": [
                {"type": "text", "text": part["text"]}
                if part["type"] == "text"
                else {"type": "image_url", "image_url": {"url": next(remaining)}}
                for part in message["content"]
            ],
        }
        for message in messages
    ]


@lru_cache(CACHED_PICTURES)
def data_url(picture: Picture) -> str:
    """The file's own bytes if every decoder reads them the same way, else a PNG of what vz sees.

    `InputError` if the picture is missing, unreadable or not the one that the table names.
    """
    image = picture.load()
    data = b"" if picture.sha256 is None else picture.file()  # a blank picture has no file
    kind = _plain_kind(data) if data else None
    if kind is None:
        encoded = io.BytesIO()
        image.save(encoded, format="PNG")
        kind, data = "png", encoded.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _plain_kind(data: bytes) -> str | None:
    """ "png" or "jpeg"; None for transparent or rotated pictures, which servers read differently."""
    with Image.open(io.BytesIO(data)) as image:
        opaque = image.mode in {"RGB", "L"} and "transparency" not in image.info
        upright = image.getexif().get(ORIENTATION, UPRIGHT) == UPRIGHT
        return {"PNG": "png", "JPEG": "jpeg"}.get(image.format or "") if opaque and upright else None


def completion_of(response: Response, url: str, tags: Tags, *, with_ids: bool) -> Completion:
    """The completion in a response. `with_ids` adds token ids and log-probs, which the response must contain."""
    ids, tokens = (response.token_ids or [], response.sampled or []) if with_ids else ([], [])
    if len(ids) != len(tokens):
        raise InputError(
            f"{url}: returns {len(ids)} token ids with {len(tokens)} log-probs, so its rows cannot train; set "
            "rollout.server.token_ids=never to play without them"
        )
    return Completion(
        text=response.text(tags),
        token_ids=ids,
        logprobs=[token.logprob for token in tokens],
        finish_reason="length" if response.finish_reason == "length" else "stop",
        prompt_tokens=response.prompt_tokens,
        prompt_sha256=prompt_hash(response.prompt_ids or []) if with_ids else None,
        sampler=sampler_name("server"),
    )
