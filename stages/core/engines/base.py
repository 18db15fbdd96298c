"""What every engine promises."""

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
from stages.core.recipe.rollout import Rollout

T = TypeVar("T")


@dataclass(frozen=True)
class Sampling:
    """How the tokens of a completion are drawn."""

    temperature: float
    top_p: float
    max_tokens: int
    min_tokens: int
    repetition_penalty: float

    @classmethod
    def of(cls, recipe: Rollout, phase: str) -> Sampling:
        """The recipe's sampling of clues or of votes."""
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
    """`n` completions of one prompt; sample i is drawn with `seed + i`, in every engine and whatever the batch."""

    order: tuple[int, int]  # (game's place, turn): the order in which a deterministic engine batches
    messages: list[Message]
    pictures: list[Picture]
    n: int
    seed: int
    sampling: Sampling
    policy: str
    about: str = ""  # the game and pair, for messages

    @property
    def name(self) -> str:
        """How messages call it."""
        pictures = "".join(f", picture {picture.ref}" for picture in self.pictures)
        return f"{self.about or f'game number {self.order[0]}'}, turn {self.order[1]}{pictures}"

    def check_length(self, tokens: int, limit: int) -> None:
        """`InputError` for a prompt of more than `limit` tokens: cutting it would change the game unseen."""
        if tokens > limit:
            raise InputError(
                f"{self.name}: the prompt has {tokens} tokens, but rollout.max_prompt_tokens is {limit}. Finished "
                f"games are kept: repeat the command with --set rollout.max_prompt_tokens={tokens} or more"
            )


@dataclass(frozen=True)
class Completion:
    """One answer; `token_ids` ends with the stop token unless `finish_reason` is "length"."""

    text: str
    token_ids: list[int]
    logprobs: list[float]  # of the sampled tokens, at the sampling temperature, before any truncation
    finish_reason: str
    prompt_tokens: int
    prompt_sha256: str | None  # None, with no ids and no log-probs, where a server does not tell them
    sampler: str  # what computed it: see `sampler_name`

    @property
    def truncated(self) -> bool:
        """Whether the answer was cut off at the longest length allowed."""
        return self.finish_reason == "length"


def sampler_name(engine: str, dtype: str = "") -> str:
    """How rows name what computed them: the engine and its precision, where that is known."""
    return f"{engine} {dtype.removeprefix('torch.')}".strip()


@dataclass
class Tally:
    """What an engine has done since it was opened; it only grows."""

    completions: int = 0
    tokens_in: int = 0  # of prompts; a prompt counts once, however many samples it has
    tokens_cached: int = 0  # of tokens_in, those that a prefix cache spared
    tokens_out: int = 0
    retries: int = 0  # requests sent again because a server or worker failed
    restarts: int = 0  # engines or workers that died and were started again

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
    """Requests that an engine works on now, and those that wait."""

    running: int = 0
    waiting: int = 0


class Engine(ABC):
    """Policies by name, an event loop that outlives a stage, and `generate`."""

    batches = False  # whether it computes requests in batches, so that it is best given many at once
    lanes = 1  # parts that compute independently; games are spread on them

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._versions: dict[str, str] = {}
        self.tally = Tally()

    @abstractmethod
    async def generate(self, request: Request) -> list[Completion]:
        """Answer one request; many may wait at once."""

    @abstractmethod
    def load(self, policy: str, model: str | Path, version: str) -> None:
        """Give `policy` these weights, in place of those it may have."""

    def unload(self, policy: str) -> None:
        """Free the weights of a policy that plays no more; one that is not loaded is no error."""
        self._versions.pop(policy, None)

    def sleep(self) -> None:  # noqa: B027 - an engine without an accelerator has nothing to free
        """Free the accelerator for training; the next request wakes the engine. Optional."""

    def version(self, policy: str) -> str:
        """The version of a loaded policy, as rows record it."""
        if policy not in self._versions:
            raise InputError(f"a seat wants the policy '{policy}', but only {sorted(self._versions)} are loaded")
        return self._versions[policy]

    def lane(self, place: int) -> int:
        """Which of its `lanes` answers for the game at this place."""
        return 0

    def queue(self) -> Queue:
        """How busy it is, for the eye."""
        return Queue()

    def count(self, completions: Sequence[Completion], *, prompts: int, cached: int = 0) -> None:
        """Engines report here what they computed: the completions, and their prompts' tokens, each prompt once."""
        self.tally.completions += len(completions)
        self.tally.tokens_in += prompts
        self.tally.tokens_cached += cached
        self.tally.tokens_out += sum(len(completion.token_ids) for completion in completions)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the engine's own loop, which stays between stages."""
        return self._runner.run(work)

    def close(self) -> None:
        self._runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
