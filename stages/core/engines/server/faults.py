"""What a server's failure means: to be tried again, or to be mended by the user."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

LONGEST_QUOTE = 500  # characters of a server's own words


class TryAgain(Exception):
    """The server may answer the same request yet, if asked again after `pause` seconds at least."""

    def __init__(self, cause: str, pause: float = 0.0) -> None:
        super().__init__(cause)
        self.pause = pause


class Refused(Exception):
    """The server will never answer this request; `words` are its own."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{status}: {words}")
        self.status, self.words = status, words


def check_status(status: int, headers: Mapping[str, str], text: str) -> None:
    """Raise what a response other than 200 means."""
    if status == 200:
        return
    words = own_words(text) or "without a word"
    if status in {408, 409, 429} or status >= 500:
        raise TryAgain(f"{status}: {words}", retry_after(headers))
    if 300 <= status < 400:
        words = f"redirects to {headers.get('location', 'nowhere')}"
    raise Refused(status, words)


def own_words(text: str) -> str:
    """The message of an error response: `error.message` (OpenAI), `message`, `detail` (FastAPI), else its beginning."""
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    for key in ("error", "message", "detail"):
        if isinstance(body, dict) and body.get(key):
            body = body[key]
    found = body if isinstance(body, str) else json.dumps(body)
    return " ".join(found.split())[:LONGEST_QUOTE]


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the `Retry-After` header asks to wait, given as seconds or as a date; 0 without it."""
    text = headers.get("retry-after", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return 0.0
