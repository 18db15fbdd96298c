"""A client that sends exactly the headers that a test names."""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers


@dataclass
class Answer:
    status: int
    headers: Headers
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Client:
    """Asks the view at `address`, the one with the token. After `enter` it has the cookie."""

    address: str
    cookie: dict[str, str] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    @property
    def token(self) -> str:
        return urlsplit(self.address).query.removeprefix("token=")

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """`headers` with `_` for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers={**self.cookie, **named})
        response = connection.getresponse()
        answer = Answer(response.status, Headers(dict(response.getheaders())), response.read())
        connection.close()
        return answer

    def enter(self) -> Answer:
        answer = self.ask(f"/?token={self.token}")
        self.cookie = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
        return answer
