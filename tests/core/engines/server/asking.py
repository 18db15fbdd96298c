"""Asking a server engine directly, without a game."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.core.engines.base import Completion, Request, Sampling
from stages.core.engines.server import ServerEngine
from stages.core.pictures import Picture
from stages.core.recipe import Recipe
from tests.core.engines.server.chat_server import ChatServer
from tests.helpers import fake_recipe

BLANK = Picture(Path(), "blank:4x3", None)


def server_recipe(server: ChatServer, *overrides: str) -> Recipe:
    """Play through `server`."""
    return fake_recipe("rollout.engine=server", f"rollout.server.url={server.url}", *overrides)


def request(*, n: int = 1, text: str = "who", pictures: tuple[Picture, ...] = (BLANK,), **sampling: Any) -> Request:
    """Two pieces of text around the pictures."""
    content = [{"type": "text", "text": "look"}, *({"type": "image", "text": None} for _ in pictures)]
    content.append({"type": "text", "text": text})
    values = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 9, "min_tokens": 0, "repetition_penalty": 1.0}
    return Request(
        order=(3, 1),
        messages=[{"role": "user", "content": content}],
        pictures=list(pictures),
        n=n,
        seed=70,
        sampling=Sampling(**{**values, **sampling}),
        policy="current",
    )


@contextmanager
def engine_for(server: ChatServer, *overrides: str, model: str = "owner/policy") -> Iterator[ServerEngine]:
    """A server engine with the policy `current`."""
    with ServerEngine(server_recipe(server, *overrides)) as engine:
        engine.load("current", model, "v1")
        yield engine


def ask(server: ChatServer, *overrides: str, model: str = "owner/policy", **asked: Any) -> list[Completion]:
    """One request to a fresh engine."""
    with engine_for(server, *overrides, model=model) as engine:
        return engine.run(engine.generate(request(**asked)))
