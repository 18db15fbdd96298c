"""The contract of every engine: those that come with vz, and your own (docs/doors/engine.md)."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from stages.core.errors import InputError
from stages.core.game.prompting import Message
from stages.core.pictures import Picture
from stages.core.processes.interrupts import pythons_own
from stages.core.recipe.rollout import Rollout

T = TypeVar("T")


@dataclass(frozen=True)
class Sampling:
    """How to draw the tokens of a completion."""

    temperature: float  # 0: always the likeliest token
    top_p: float  # 1: the whole distribution
    max_tokens: int
    min_tokens: int  # no answer ends sooner
    repetition_penalty: float  # 1: none

    @classmethod
    def of(cls, recipe: Rollout, phase: str) -> Sampling:
        """The recipe's sampling for clues or votes."""
        clue = phase == "clue"
        return cls(
            recipe.temperature,
            recipe.top_p,
            recipe.longest(phase),
            recipe.min_clue_tokens if clue else recipe.min_vote_tokens,
            recipe.clue_repetition_penalty if clue else recipe.vote_repetition_penalty,
        )


@dataclass(frozen=True)
class Request:
    """`n` completions of one prompt."""

    order: tuple[int, int]  # (the game's position in the deal, turn): the order in which a deterministic engine batches
    messages: list[Message]
    pictures: list[Picture]  # in the order of the image parts in `messages`
    n: int
    seed: int  # sample i is drawn with seed + i
    sampling: Sampling
    policy: str
    about: str = ""  # the game and pair, for messages

    @property
    def name(self) -> str:
        """The name of the request in messages."""
        pictures = "".join(f", picture {picture.ref}" for picture in self.pictures)
        return f"{self.about or f'game number {self.order[0]}'}, turn {self.order[1]}{pictures}"

    def check_length(self, tokens: int, limit: int) -> None:
        """`InputError` for a prompt of more than `limit` tokens: cutting it would silently change the game."""
        if tokens > limit:
            raise InputError(
                f"{self.name}: the prompt has {tokens} tokens, but rollout.max_prompt_tokens is {limit}. Finished "
                f"games are kept: repeat the command with --set rollout.max_prompt_tokens={tokens} or more"
            )


@dataclass(frozen=True)
class Completion:
    """One answer. Rows without token ids, log-probs and `prompt_sha256` can be scored, but cannot train."""

    text: str
    token_ids: list[int]  # with the stop token at the end, unless `finish_reason` is "length"
    logprobs: list[float]  # of these tokens, at the sampling temperature, before `top_p` cuts the tail
    finish_reason: str  # "stop" or "length"
    prompt_tokens: int
    prompt_sha256: str | None  # see `stages.core.vlm.prompt_hash`
    sampler: str  # what computed it: see `sampler_name`

    @property
    def truncated(self) -> bool:
        """Whether the answer was cut off at the length limit."""
        return self.finish_reason == "length"


def sampler_name(engine: str, dtype: str = "", quantization: str = "none") -> str:
    """The value of column `sampler`: the engine, and its precision if known."""
    bits = "" if quantization == "none" else f" {quantization}"
    return f"{engine} {dtype.removeprefix('torch.')}".strip() + bits


@dataclass
class Tally:
    """What an engine has done since it opened."""

    completions: int = 0
    tokens_in: int = 0  # of prompts; a prompt counts once, however many samples it has
    tokens_cached: int = 0  # the part of tokens_in that a prefix cache already held
    tokens_out: int = 0
    retries: int = 0  # requests sent again because a server or worker failed
    restarts: int = 0  # engines or workers that died and were restarted

    def since(self, before: Tally) -> Tally:
        """The growth from `before` to now."""
        return Tally(*(getattr(self, name) - getattr(before, name) for name in vars(self)))

    def add(self, other: Tally) -> None:
        for name, number in vars(other).items():
            setattr(self, name, getattr(self, name) + number)

    def copy(self) -> Tally:
        return replace(self)


@dataclass(frozen=True)
class Queue:
    """Numbers of running and waiting requests in an engine."""

    running: int = 0
    waiting: int = 0


class Engine(ABC):
    """Answers requests for policies, which are known by name.

    A subclass must define `load` and `generate`. An engine lives as long as a command or a whole run. Between rounds,
    vz loads new weights into it. At the end, even after an error, vz calls `close`. All its coroutines run in one event
    loop, through `run`.
    """

    batches = False  # whether it computes requests in batches, and so needs many at once
    lanes = 1  # parts that compute independently; vz spreads games over them
    times_itself = (
        False  # whether it reports its computing time to the clock; otherwise, all time with open requests counts
    )

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._working: asyncio.Task[Any] | None = None  # what `run` runs
        self._versions: dict[str, str] = {}
        self.tally = Tally()

    @abstractmethod
    async def generate(self, request: Request) -> list[Completion]:
        """Return `request.n` completions. vz awaits many requests at once.

        Draw sample i with `request.seed + i`, whatever else is in its batch, so that results do not depend on batches.
        Never cut the prompt (`Request.check_length`). Call `count` with the completions. Any exception ends the
        command; finished games are kept.
        """

    @abstractmethod
    def load(self, policy: str, model: str | Path, version: str) -> None:
        """Give `policy` the weights of `model`, replacing any it has, and set `self._versions[policy]`.

        `model` is a folder, a hub name, or anything else the engine understands. `version` changes with its content.
        """

    def unload(self, policy: str) -> None:
        """Free the weights of a policy that no longer plays. Does nothing if the policy is not loaded."""
        self._versions.pop(policy, None)

    def sleep(self) -> None:  # noqa: B027 - an engine without an accelerator has nothing to free
        """Free the accelerator while the policy trains. The next request wakes the engine."""

    def close(self) -> None:
        """Free everything. An override must call `super().close()`."""
        self._runner.close()

    def version(self, policy: str) -> str:
        """The version of a loaded policy, for the column `policy_version`. `InputError` if it is not loaded."""
        if policy not in self._versions:
            raise InputError(f"a seat needs the policy '{policy}', but only {sorted(self._versions)} are loaded")
        return self._versions[policy]

    def lane(self, place: int) -> int:
        """Which of the `lanes` answers for the game at this position."""
        return 0

    def queue(self) -> Queue:
        """How busy the engine is, for the progress line."""
        return Queue()

    def count(self, completions: Sequence[Completion], *, prompts: int, cached: int = 0) -> None:
        """Add completions to the tally. `prompts` is the number of prompt tokens, with each prompt counted once."""
        self.tally.completions += len(completions)
        self.tally.tokens_in += prompts
        self.tally.tokens_cached += cached
        self.tally.tokens_out += sum(len(completion.token_ids) for completion in completions)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the engine's event loop, which outlasts a stage."""

        async def known() -> T:
            self._working = asyncio.current_task()
            try:
                return await work
            finally:
                self._working = None

        with pythons_own():
            return self._runner.run(known())

    def interrupt(self) -> None:
        """Cancel the work that another thread runs in the event loop, if any."""
        working = self._working
        if working is not None:
            working.get_loop().call_soon_threadsafe(working.cancel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
