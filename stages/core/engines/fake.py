"""Scripted answers without a model, for tests of the game and the loop."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from stages.core.engines.base import Completion, Engine, Request, sampler_name
from stages.core.seeds import rng

Script = Callable[[Request, int], str]


def plausible(request: Request, sample: int) -> str:
    """A clue or a vote drawn from the request's seed; some answers are N/A, unreadable or cut off."""
    draw = rng("fake", request.seed + sample)
    text = " ".join(part["text"] or "" for message in request.messages for part in message["content"])
    if "Find the spy" in text or text.endswith("who"):
        return draw.choice(["\\boxed{1}", "\\boxed{2}", "\\boxed{3}", "\\boxed{4}", "\\boxed{N/A}", "no idea"])
    colour, shape = draw.choice(["red", "blue", "gray"]), draw.choice(["cube", "sphere", "cylinder"])
    return f"I look. \\boxed{{a {colour} {shape}}}"


class FakeEngine(Engine):
    """Answers from a script. Each byte of the text is a token, with a made-up log-prob."""

    def __init__(self, script: Script = plausible) -> None:
        super().__init__()
        self.script = script

    def load(self, policy: str, model: str | Path, version: str) -> None:
        self._versions[policy] = version

    async def generate(self, request: Request) -> list[Completion]:
        self.version(request.policy)
        completions = [self._answer(request, sample) for sample in range(request.n)]
        self.count(completions, prompts=completions[0].prompt_tokens)
        return completions

    def _answer(self, request: Request, sample: int) -> Completion:
        text = self.script(request, sample)
        ids = list(text.encode()[: request.sampling.max_tokens])
        cut = len(text.encode()) > len(ids)
        prompt = repr([(part["type"], part["text"]) for message in request.messages for part in message["content"]])
        return Completion(
            bytes(ids).decode(errors="replace"),
            ids if cut else [*ids, 0],
            [-0.5] * (len(ids) + (not cut)),
            "length" if cut else "stop",
            len(prompt),
            hashlib.sha256(prompt.encode()).hexdigest(),
            sampler_name("fake"),
        )
