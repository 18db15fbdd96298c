"""One server: the `openai` client, the number of concurrent requests, and the meaning of failures."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, DefaultAsyncHttpxClient
from pydantic import ValidationError

from stages.core.engines.base import Queue, Tally
from stages.core.engines.server.advice import advice, own_words
from stages.core.engines.server.keys import BY_DEFAULT, key_for
from stages.core.engines.server.models import Card, read_models
from stages.core.engines.server.protocol import Incomplete, Response, read_response
from stages.core.errors import InputError, VzError
from stages.core.recipe.engines import ServerSettings
from stages.core.recipe.served import origin

RETRIES_OF_LIST = 3  # of the first request to a server, so that a wrong address fails soon
RETRIED = {408, 409, 429}  # statuses that the client retries, besides 500 and above
# The client adds others from the environment (OPENAI_CUSTOM_HEADERS, OPENAI_ORG_ID, …), which third parties must not
# get.
SENT_HEADERS = {
    "host", "accept", "accept-encoding", "connection", "content-type", "content-length", "transfer-encoding",
    "user-agent", "x-stainless-retry-count",
}  # fmt: skip
OPENAI_HEADERS = {"openai-organization", "openai-project"}  # only for OpenAI's own host


class NotWhole(httpx2.RemoteProtocolError):
    """An incomplete answer. The client retries these errors."""


class Endpoint:
    """An OpenAI-compatible server at `url`, with at most `settings.requests` concurrent requests.

    The client retries with growing pauses. An incomplete answer counts as a lost connection. The client opens with the
    first request, and belongs to the event loop running at that time.
    """

    def __init__(self, url: str, settings: ServerSettings, tally: Tally) -> None:
        self.url = url
        self._settings = settings
        self._tally = tally
        wanted = settings.key_variable if origin(url) == origin(settings.url) else None
        self._key = key_for(url, wanted)
        self._slots = asyncio.Semaphore(settings.requests)
        self._client: AsyncOpenAI | None = None
        self._asked = self._running = 0

    def queue(self) -> Queue:
        return Queue(self._running, self._asked - self._running)

    async def models(self) -> list[Card] | None:
        """The server's models; None if it does not list them."""
        content = await self._send("GET", "/models", None, "its list of models")
        return read_models(content) if content else None

    async def chat(self, body: dict[str, Any], what: str) -> Response:
        """The answer to a request that messages call `what`."""
        return read_response(await self._send("POST", "/chat/completions", body, what))

    async def close(self) -> None:
        """Close the client permanently. Closing again does nothing."""
        if self._client is not None:
            await self._client.close()

    async def _send(self, method: str, path: str, body: dict[str, Any] | None, what: str) -> bytes:
        self._asked += 1
        try:
            async with self._slots:  # held between retries, so that a struggling server gets fewer requests
                self._running += 1
                try:
                    return await self._retried(method, path, body, what)
                finally:
                    self._running -= 1
        finally:
            self._asked -= 1

    async def _retried(self, method: str, path: str, body: dict[str, Any] | None, what: str) -> bytes:
        """The content of the answer; empty if the server does not list its models."""
        client = self._open()
        try:
            if method == "POST":
                return (await client.post(path, cast_to=httpx2.Response, body=body)).content
            few = client.with_options(max_retries=min(RETRIES_OF_LIST, client.max_retries))
            return (await few.get(path, cast_to=httpx2.Response)).content
        except APIStatusError as error:
            words, status, request = self._without_key(own_words(error.response)), error.status_code, error.request
            if method == "GET" and status in {404, 405}:
                return b""
            if status not in RETRIED and status < 500:
                remedy = advice(status, words, self.url, self._key, body or {})
                raise InputError(f"{self.url}: {what}: {words} ({status}): {remedy}") from None
            cause = f"{status}: {words}"
        except APIConnectionError as error:
            cause, request = _cause(error, self._settings.timeout), error.request
            if method == "GET" and isinstance(error.__cause__, httpx2.ConnectError):
                raise VzError(
                    f"{self.url}: nothing answers there ({error.__cause__}): start the server, or correct the address"
                ) from None
        tries = int(request.headers.get("x-stainless-retry-count", 0)) + 1
        raise VzError(
            f"{self.url}: {what}: no answer in {tries} tries; the last error: {cause}. Finished work is kept: repeat "
            "the command for the rest; rollout.server.attempts and timeout set how long vz tries"
        )

    def _without_key(self, text: str) -> str:
        """`text` without the key, since servers quote a key that they refuse."""
        return text.replace(self._key.value, "…") if self._key.value else text

    def _open(self) -> AsyncOpenAI:
        if self._client is None:
            size = self._settings.requests
            self._client = AsyncOpenAI(
                base_url=self.url,
                api_key=self._key.value or "none",
                max_retries=self._settings.attempts - 1,
                timeout=self._settings.timeout,
                http_client=DefaultAsyncHttpxClient(
                    limits=httpx2.Limits(max_connections=size, max_keepalive_connections=size),
                    follow_redirects=False,
                    event_hooks={"request": [self._before_sending], "response": [_check_whole]},
                ),
            )
        return self._client

    async def _before_sending(self, request: httpx2.Request) -> None:
        sent = SENT_HEADERS | (OPENAI_HEADERS if origin(self.url) == origin(BY_DEFAULT[1]) else set())
        for name in request.headers.keys() - sent:
            del request.headers[name]
        if self._key.value:
            request.headers["authorization"] = f"Bearer {self._key.value}"
        self._tally.retries += request.headers.get("x-stainless-retry-count", "0") != "0"


async def _check_whole(response: httpx2.Response) -> None:
    """Raise `NotWhole` if an answer is incomplete."""
    if not response.is_success:
        return
    content = await response.aread()
    try:
        read_models(content) if response.request.method == "GET" else read_response(content)
    except Incomplete as error:
        raise NotWhole(str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise NotWhole(f"an answer in an unexpected format ({where or 'all of it'}: {first['msg']})") from error


def _cause(error: APIConnectionError, timeout: float) -> str:
    cause = error.__cause__
    if isinstance(cause, NotWhole):
        return str(cause)
    if isinstance(cause, httpx2.TimeoutException):
        return f"no answer within {timeout:g} s"
    return f"no connection, or it was lost ({type(cause).__name__}: {cause})"
