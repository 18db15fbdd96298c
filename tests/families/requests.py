"""Requests of several lengths with pictures of several sizes."""

from __future__ import annotations

from collections.abc import Sequence

from stages.core.engines.base import Request, Sampling
from stages.core.pictures import Picture

SAMPLING = Sampling(temperature=1.3, top_p=1.0, max_tokens=12, min_tokens=0, repetition_penalty=1.0)


def requests(pictures: Sequence[Picture], samples: int) -> list[Request]:
    """Six prompts, each longer than that before it, on the pictures in turn."""
    found = []
    for number in range(6):
        words = [{"type": "text", "text": "vote players 4"}, {"type": "image", "text": None}]
        words.append({"type": "text", "text": "1 : red cube . " * (number * 2) + "who"})
        picture = pictures[number % len(pictures)]
        message = {"role": "user", "content": words}
        found.append(Request((number, 0), [message], [picture], samples, 1000 * number, SAMPLING, "current"))
    return found
