"""How far completions depend on the batch they are computed in: the same requests of the tiny model at 1, 4 and 16."""

import asyncio
from pathlib import Path

import pytest

from stages import make_games, rollout
from stages.core import tables
from stages.core.engines.base import Completion, Request, Sampling
from stages.core.engines.transformers import TransformersEngine
from stages.core.folder.files import sha256_file
from stages.core.pictures import Picture
from stages.core.recipe import Recipe, load
from stages.core.recipe.load import shared_folder

GAMES = 40


def replay(recipe: Recipe, requests: list[Request], size: int) -> list[Completion]:
    async def ask(engine: TransformersEngine) -> list[list[Completion]]:
        return list(await asyncio.gather(*(engine.generate(request) for request in requests)))

    resized = recipe.model_copy(update={"rollout": recipe.rollout.model_copy(update={"batch_size": size})})
    with TransformersEngine(resized) as engine:
        engine.load("current", shared_folder("data") / "tiny-model", "v")
        return [completion for answer in engine.run(ask(engine)) for completion in answer]


@pytest.mark.slow
def test_completions_agree_across_batch_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    recipe = load("tiny", [f"games.pairs={GAMES}", "games.dev_fraction=0", "games.test_fraction=0"])
    games = make_games.run(recipe, tmp_path / "games").out
    rows = tables.read_parts(rollout.run(recipe, games, tmp_path / "rollouts").out, tables.ROLLOUTS)
    requests = [
        Request(
            (place, row["turn"]),
            row["prompt"],
            [Picture(games, row["images"][0], sha256_file(games / row["images"][0]))],
            1,
            row["seed"],
            Sampling.of(recipe.rollout, row["phase"]),
            "current",
        )
        for place, row in enumerate(rows.iter_rows(named=True))
    ]
    answers = {size: replay(recipe, requests, size) for size in (1, 4, 16)}
    for size in (4, 16):
        pairs = list(zip(answers[1], answers[size], strict=True))
        same = [(a, b) for a, b in pairs if a.token_ids == b.token_ids]
        gap = max(abs(x - y) for a, b in same for x, y in zip(a.logprobs, b.logprobs, strict=True))
        with capsys.disabled():
            print(
                f"\nbatch 1 and {size}: {len(same)} of {len(pairs)} completions agree; largest log-prob gap {gap:.1e}"
            )
        assert len(same) >= 0.995 * len(pairs) and gap < 1e-4
