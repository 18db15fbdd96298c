"""Protects the pages: only a browser on this machine that knows the token sees them, and no other site in it does."""

from __future__ import annotations

import hmac
import secrets
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = {"127.0.0.1", "localhost"}  # with any port, since `ssh -L` may use another one
# A page that loads the next one itself. After a redirect from another site, the browser would withhold a strict cookie.
ENTER = """<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/"><title>vz view</title>
<link rel="icon" href="data:,"><a href="/">vz view</a>
"""
ALWAYS = {
    "Content-Security-Policy": "frame-ancestors 'none'; base-uri 'none'; object-src 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "private, no-cache",
}


class Guard:
    """Passes requests from `app`'s own pages on to it, and gives every answer the headers `ALWAYS`.

    Refuses host names other than this machine's, since anyone can point a name here (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self.token = secrets.token_urlsafe(32)
        self._app, self._cookie = app, f"vz-view-{port}"  # cookies do not know ports

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(ALWAYS)
            await send(message)

        if scope["type"] == "http":
            answer = self._refusal(scope) or self._entrance(scope) or self._app
            await answer(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        own = headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
        if scope["method"] not in {"GET", "HEAD"}:
            return PlainTextResponse("this server accepts only GET and HEAD\n", 405, {"Allow": "GET, HEAD"})
        if host.rpartition(":")[0] not in HOSTS and host not in HOSTS:
            return PlainTextResponse("this host name is refused; open the address that vz view printed\n", 403)
        if origin not in (None, f"http://{host}") or not (own or headers.get("sec-fetch-mode") == "navigate"):
            return PlainTextResponse("requests from other sites are refused\n", 403)
        return None

    def _entrance(self, scope: Scope) -> Response | None:
        """None for a browser with the cookie. Turns the token in the address into the cookie."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token")
        if given and self._is_token(given[0]):
            answer = HTMLResponse(ENTER)
            answer.set_cookie(self._cookie, self.token, httponly=True, samesite="strict", path="/")
            return answer
        if given or not self._is_token(self._sent(scope)):
            return PlainTextResponse("open the address with the token that vz view printed when it started\n", 403)
        return None

    def _sent(self, scope: Scope) -> str:
        try:
            found = SimpleCookie(Headers(scope=scope).get("cookie", "")).get(self._cookie)
        except CookieError:
            return ""
        return found.value if found else ""

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self.token.encode())
