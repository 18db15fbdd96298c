"""One server: its client, and requests that are sent until they are answered. Needs httpx2."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2
from pydantic import ValidationError

from stages.core.engines.base import Queue, Tally
from stages.core.engines.server.faults import TryAgain, check_status
from stages.core.errors import InputError, VzError
from stages.core.recipe.engines import ServerSettings
from stages.core.recipe.served import origin

LONGEST_PAUSE = 60.0  # seconds between two tries, unless the server asks for more

T = TypeVar("T")


@dataclass(frozen=True)
class _Call:
    """What is to be asked."""

    method: str
    path: str
    body: dict[str, Any] | None
    what: str  # its name in messages


class Endpoint:
    """An OpenAI-compatible server at `url`, asked `settings.requests` times at once at most.

    Answers are read by a function of their bytes, which raises `TryAgain` or pydantic's `ValidationError` for one that
    is not whole. What a server refuses for good is raised as `Refused`. The client opens with the first request, in
    the event loop that is running then, and belongs to it.
    """

    def __init__(self, url: str, settings: ServerSettings, tally: Tally) -> None:
        self.url = url
        self._settings = settings
        self._tally = tally
        self._key = _key(settings.key_variable) if origin(url) == origin(settings.url) else ""
        self._slots = asyncio.Semaphore(settings.requests)
        self._client: httpx2.AsyncClient | None = None
        self._asked = self._running = 0

    def queue(self) -> Queue:
        return Queue(self._running, self._asked - self._running)

    async def get(self, path: str, read: Callable[[bytes], T], what: str) -> T:
        return await self._ask(_Call("GET", path, None, what), read)

    async def post(self, path: str, body: dict[str, Any], read: Callable[[bytes], T], what: str) -> T:
        return await self._ask(_Call("POST", path, body, what), read)

    async def close(self) -> None:
        """For good; to close again does nothing."""
        if self._client is not None:
            await self._client.aclose()

    @property
    def has_key(self) -> bool:
        return bool(self._key)

    def without_key(self, text: str) -> str:
        """`text` as it may be shown: servers quote the key that they refuse."""
        return text.replace(self._key, "…") if self._key else text

    async def _ask(self, call: _Call, read: Callable[[bytes], T]) -> T:
        self._asked += 1
        try:
            async with self._slots:  # kept between tries, so that a server in trouble is asked less
                self._running += 1
                try:
                    return await self._persist(call, read)
                finally:
                    self._running -= 1
        finally:
            self._asked -= 1

    async def _persist(self, call: _Call, read: Callable[[bytes], T]) -> T:
        attempts = self._settings.attempts
        # Made once, so that every try sends the very same bytes: with its seed, a request may be repeated safely. And
        # made only now, since it holds the pictures and many requests may wait.
        content = None if call.body is None else json.dumps(call.body, ensure_ascii=False).encode()
        for attempt in range(1, attempts + 1):
            try:
                return await self._once(call, content, read)
            except TryAgain as fault:
                if attempt == attempts:
                    raise VzError(
                        f"{self.url}: {call.what}: no answer in {attempts} tries, the last: "
                        f"{self.without_key(str(fault))}. What is finished is kept, and the same command goes on with "
                        "the rest; rollout.server.attempts, backoff and timeout say how long vz tries"
                    ) from None
                self._tally.retries += 1
                await asyncio.sleep(self._pause(attempt, fault.pause))
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, call: _Call, content: bytes | None, read: Callable[[bytes], T]) -> T:
        try:
            # httpx's own time-outs are those of single steps; this one is of the whole answer.
            async with asyncio.timeout(self._settings.timeout):
                response = await self._open().request(call.method, self.url + call.path, content=content)
        except TimeoutError:
            raise TryAgain(f"no answer within {self._settings.timeout:g} s") from None
        except httpx2.RequestError as error:
            if call.method == "GET" and isinstance(error, httpx2.ConnectError):  # vz's first word to it
                raise VzError(
                    f"{self.url}: nothing answers there ({error}): start the server, or correct the address"
                ) from None
            raise TryAgain(f"no connection, or it was lost ({type(error).__name__}: {error})") from None
        check_status(response.status_code, response.headers, response.text)
        try:
            return read(response.content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise TryAgain(f"an answer of another form ({where or 'all of it'}: {first['msg']})") from None

    def _open(self) -> httpx2.AsyncClient:
        if self._client is None:
            headers = {"content-type": "application/json"}
            if self._key:
                headers["authorization"] = f"Bearer {self._key}"
            size = self._settings.requests
            limits = httpx2.Limits(max_connections=size, max_keepalive_connections=size)
            self._client = httpx2.AsyncClient(headers=headers, limits=limits, timeout=None)
        return self._client

    def _pause(self, attempt: int, asked: float) -> float:
        """Seconds before the next try: doubled each time and jittered; at least what the server asks for, but not more
        than the time-out."""
        doubled = min(LONGEST_PAUSE, self._settings.backoff * 2.0 ** (attempt - 1))
        return max(doubled * random.uniform(0.5, 1.0), min(asked, self._settings.timeout))


def _key(variable: str) -> str:
    """The API key; it goes into the request's header and nowhere else."""
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise InputError(f"the environment variable {variable} holds characters that no key has; set it anew")
    return key
