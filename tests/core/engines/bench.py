"""What each part of the transformers engine brings: `python -m tests.core.engines.bench`, on a CPU, in minutes.

64 games of the recipe `tiny` with the tiny model, each way in turn, REPEATS times. Told in tokens a second of this
process's CPU time, which others on the machine disturb less than the clock.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from stages import rollout
from stages.core import vlm
from stages.core.engines.local_policy import LocalPolicy, Question
from stages.core.engines.transformers import TransformersEngine
from stages.core.folder.content import version_of
from stages.core.recipe import Recipe, load
from stages.core.recipe.load import shared_folder
from tests.helpers import write_games

GAMES, REPEATS = 64, 5


class Unprepared(LocalPolicy):
    """Reads and prepares the picture again for every prompt."""

    def question(self, request, max_tokens):
        return Question(request, vlm.encode_one(self.processor, request.messages, [p.load() for p in request.pictures]))

    def _inputs(self, prompts: Sequence[Question]) -> dict[str, torch.Tensor]:
        return vlm.batch([asked.prompt for asked in prompts], self.processor.tokenizer.pad_token_id)


def engine_of(way: str, recipe: Recipe) -> TransformersEngine:
    engine = TransformersEngine(recipe)
    model = shared_folder("data") / "tiny-model"
    engine.load("current", model, version_of(model))  # as the stage will ask for it
    policy = engine._policies["current"]
    if way == "each sample computes its prompt":
        policy.fit = replace(policy.fit, shares=False)
    if way == "each prompt prepares its picture":
        policy.__class__ = Unprepared
    return engine


def main() -> None:
    ways = ("as it is", "each sample computes its prompt", "each prompt prepares its picture")
    recipe = load("tiny", ["model.device=cpu"])
    rates: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as scratch:
        games = write_games(Path(scratch) / "games", recipe, count=GAMES, side=72)
        for repeat in range(-1, REPEATS):  # the first to warm up
            for way in ways:
                with engine_of(way, recipe) as engine:
                    began = time.process_time()
                    rollout.run(recipe, games, Path(scratch) / f"{repeat} {way}", split=None, engine=engine)
                    rate = engine.tally.tokens_out / (time.process_time() - began)
                rates[way] += [rate] if repeat >= 0 else []
    for way in ways:
        ratio = statistics.median(rates[ways[0]]) / statistics.median(rates[way])
        print(f"{way}: {statistics.median(rates[way]):.0f} tokens a CPU second ({min(rates[way]):.0f} to "
              f"{max(rates[way]):.0f}); as it is: {ratio:.2f} times that")  # fmt: skip


if __name__ == "__main__":
    main()
