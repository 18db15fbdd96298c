"""Many questions to one policy, in blocks, in a fixed order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stages.core.engines import Engine
from stages.core.engines.base import Completion, Request, Sampling
from stages.core.engines.together import together
from stages.core.game.prompting import Message
from stages.core.pictures import Picture
from stages.core.recipe import Recipe
from stages.core.seeds import derive


@dataclass(frozen=True)
class Ask:
    """A prompt outside a game. `key` names it, and decides its seed."""

    key: str
    messages: list[Message]
    pictures: list[Picture]


def ask_all(
    asks: Sequence[Ask], policy: str, recipe: Recipe, engine: Engine, *, samples: int, greedy: bool
) -> list[list[Completion]]:
    """`samples` answers to each, sampled as votes are, or the likeliest; equal seeds for every policy."""
    sampling = Sampling.of(recipe.rollout, "decision")
    if greedy:
        sampling = replace(sampling, temperature=0.0)
    requests = [
        Request(
            order=(place, 0),
            messages=ask.messages,
            pictures=ask.pictures,
            n=samples,
            seed=derive(recipe.seed, "evaluate", ask.key),
            sampling=sampling,
            policy=policy,
            about=f"'{ask.key}'",
        )
        for place, ask in enumerate(asks)
    ]
    return engine.run(_in_blocks(requests, engine, recipe.rollout.concurrent_games))


async def _in_blocks(requests: Sequence[Request], engine: Engine, size: int) -> list[list[Completion]]:
    answers: list[list[Completion]] = []
    for start in range(0, len(requests), size):
        block = requests[start : start + size]
        answers += await together(engine.generate(request) for request in block)
    return answers
