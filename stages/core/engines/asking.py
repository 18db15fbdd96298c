"""Asks a policy many prompts outside the game, in a fixed order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stages.core.engines.base import Completion, Engine, Request, Sampling
from stages.core.engines.together import together
from stages.core.game.prompting import Message
from stages.core.pictures import Picture
from stages.core.progress import Progress, progress_bar
from stages.core.recipe import Recipe
from stages.core.seeds import derive


@dataclass(frozen=True)
class Ask:
    """A prompt. Its seed derives from `key`, which also names it in messages."""

    key: str
    messages: list[Message]
    pictures: list[Picture]


def vote_sampling(recipe: Recipe, *, greedy: bool) -> Sampling:
    """The recipe's sampling of votes, or greedy sampling."""
    sampling = Sampling.of(recipe.rollout, "decision")
    return replace(sampling, temperature=0.0) if greedy else sampling


def ask_all(
    asks: Sequence[Ask],
    policy: str,
    recipe: Recipe,
    engine: Engine,
    sampling: Sampling,
    samples: int = 1,
    *,
    title: str,
    purpose: str = "evaluate",
) -> list[list[Completion]]:
    """`samples` answers to each prompt. The seeds are the same for every policy; `purpose` separates the draws.

    `title` labels the progress bar.
    """
    requests = [
        Request(
            order=(place, 0),
            messages=ask.messages,
            pictures=ask.pictures,
            n=samples,
            seed=derive(recipe.seed, purpose, ask.key),
            sampling=sampling,
            policy=policy,
            about=f"'{ask.key}'",
        )
        for place, ask in enumerate(asks)
    ]
    with progress_bar(title, len(requests)) as progress:
        return engine.run(_in_blocks(requests, engine, recipe.rollout.concurrent_games, progress))


async def _in_blocks(
    requests: Sequence[Request], engine: Engine, size: int, progress: Progress
) -> list[list[Completion]]:
    async def answer(request: Request) -> list[Completion]:
        completions = await engine.generate(request)
        progress.advance()
        return completions

    answers: list[list[Completion]] = []
    for start in range(0, len(requests), size):
        answers += await together(answer(request) for request in requests[start : start + size])
    return answers
