"""Each family with a tiny random model: its special tokens, correct batching, and training as it was played."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from stages import iterate
from stages import train as train_stage
from stages.core import vlm
from stages.core.engines.base import Completion, Request
from stages.core.engines.fit import Fit
from stages.core.engines.transformers import TransformersEngine
from stages.core.errors import InputError
from stages.core.folder.files import sha256_file
from stages.core.pictures import Picture
from stages.core.recipe import Recipe, load
from stages.init_model.tokenizer import WORDS
from tests.families.builders import FAMILIES, Family
from tests.families.gap import gaps, logits_of, logprobs_of
from tests.families.requests import SAMPLING, requests
from tests.helpers import write_games
from tests.train import world

SIZES = [(64, 60), (64, 20), (20, 64)]
ROOM = ["model.dtype=float32", "model.device=cpu", "rollout.max_prompt_tokens=900"]


@dataclass(frozen=True)
class Built:
    """A family with its model on disk, and the two parts of that."""

    family: Family
    folder: Path

    def processor(self) -> Any:
        return vlm.load_processor(self.folder, load("tiny", ROOM).model)

    def model(self) -> Any:
        return vlm.load_model(self.folder, load("tiny", ROOM).model, "float32")


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.name)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    family: Family = request.param
    if not family.is_usable():
        pytest.skip(f"{family.name} needs {' and '.join(family.needs)}, as `make test-vllm` has them")
    torch.set_num_threads(1)
    return Built(family, family.build(tmp_path_factory.mktemp(family.name) / "model"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    folder = tmp_path_factory.mktemp("pictures")
    for number, size in enumerate(SIZES):
        Image.linear_gradient("L").resize(size).convert("RGB").save(folder / f"{number}.png")
    return [Picture(folder, f"{number}.png", sha256_file(folder / f"{number}.png")) for number in range(len(SIZES))]


def answers(built: Built, asked: list[Request], shares: bool = True, size: int = 64) -> list[list[Completion]]:
    async def ask(engine: TransformersEngine) -> list[list[Completion]]:
        return list(await asyncio.gather(*(engine.generate(one) for one in asked)))

    with TransformersEngine(load("tiny", [*ROOM, f"rollout.batch_size={size}"])) as engine:
        engine.load("current", built.folder, "v")
        policy = engine._policies["current"]
        assert policy.fit == Fit(joins=True, shares=True)
        policy.fit = replace(policy.fit, shares=shares)
        return engine.run(ask(engine))


def test_stop_tokens_and_suppressed_tokens_of_each_family(built: Built):
    model, processor = built.model(), built.processor()
    ids = processor.tokenizer.convert_tokens_to_ids
    assert vlm.stop_tokens(model, processor) == sorted(ids(list(built.family.stop)))
    assert set(ids(list(built.family.never))) <= set(vlm.placeholder_tokens(model, processor))
    assert not set(vlm.stop_tokens(model, processor)) & set(vlm.placeholder_tokens(model, processor))
    assert not set(ids(list(WORDS))) & set(vlm.placeholder_tokens(model, processor))
    # vLLM's engine has the configuration alone
    assert vlm.placeholder_tokens(model.config, processor) == vlm.placeholder_tokens(model, processor)


def test_sharing_a_prompts_computation_does_not_change_answers(built: Built, pictures: list[Picture]):
    asked = requests(pictures, samples=3)
    together, apart = answers(built, asked), answers(built, asked, shares=False, size=5)
    lengths = {len(one.token_ids) for given in together for one in given}
    assert len(lengths) > 1  # so that rows left the batch while others went on
    for one, other in zip(chain(*together), chain(*apart), strict=True):
        assert one.token_ids == other.token_ids
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_log_probs_equal_those_of_one_unpadded_prompt(built: Built, pictures: list[Picture]):
    asked = requests(pictures, samples=2)
    model, processor = built.model(), built.processor()
    never = vlm.placeholder_tokens(model, processor)
    for request, given in zip(asked, answers(built, asked), strict=True):
        for completion in given:
            picture = request.pictures[0].load()
            logits = logits_of(model, processor, request.messages, picture, completion.token_ids)
            expected = logprobs_of(logits, completion.token_ids, SAMPLING.temperature, never)
            assert completion.logprobs == pytest.approx(expected.tolist(), abs=5e-5)
            assert not set(completion.token_ids) & set(never)


def rows_of(
    built: Built,
    folder: Path,
    rows: int = 7,
    rules: dict[str, world.Rules] | None = None,
    phase: str | Sequence[str] = "mixed",
) -> world.World:
    tokenizer = built.processor().tokenizer
    first = tokenizer.convert_tokens_to_ids(WORDS[0])
    games = world.make_games(folder / "games", sizes=SIZES)
    stop = tokenizer.convert_tokens_to_ids(built.family.stop[0])
    return world.make_world(folder / "rows", built.folder, games, rows, tokens=range(first, first + 24), stop=stop,
                            rules=rules, phase=phase)  # fmt: skip


def test_a_batch_with_pictures_of_several_sizes_trains_as_computed_by_hand(built: Built, tmp_path: Path):
    from transformers import AutoProcessor

    rows = rows_of(built, tmp_path)
    lengths = {row["prompt_tokens"] for row in rows.rows}
    assert len(lengths) > 2
    counts = train_stage.run(world.recipe(built.folder, tokens_per_batch=512), rows.kept, tmp_path / "out").counts
    policy, processor = built.model(), AutoProcessor.from_pretrained(built.folder)
    expected = world.hand(
        policy,
        lambda row: world.logprobs(policy, processor, row, rows.games).detach(),
        processor,
        rows.rows,
        rows.games,
        kl=0.04,
    )
    assert counts["loss"] == pytest.approx(expected.loss, rel=1e-4, abs=1e-6)
    assert counts["grad_norm"] == pytest.approx(expected.grad_norm, rel=1e-4)
    assert counts["logprob_gap_max"] < 1e-4


def test_pictures_with_other_tokens_than_at_sampling_are_refused(built: Built, tmp_path: Path):
    rows = rows_of(built, tmp_path, rows=4)
    recipe = world.recipe(built.folder)
    other = Recipe.model_validate(
        {**recipe.model_dump(), "model": {**recipe.model.model_dump(), **built.family.other_limit}}
    )
    with pytest.raises(InputError, match=r"different tokens here than at sampling: \d+, and \d+ then"):
        train_stage.run(other, rows.kept, tmp_path / "out")


def test_it_plays_scores_and_trains_end_to_end(built: Built, tmp_path: Path):
    small = ["iterate.games=2", "iterate.rounds=2", "iterate.switching=clue", "iterate.preflight=0", "evaluate.every=0"]
    small += ["game.clue_rounds=1", "iterate.clue_votes=2"]
    recipe = load("tiny", [*ROOM, *small, f"model.path={built.folder}"])
    games = write_games(tmp_path / "games", recipe, count=6, side=72)
    iterate.run(recipe, tmp_path / "run", games=games)
    first, second = map(json.loads, (tmp_path / "run/metrics.jsonl").read_text().splitlines())
    assert first["games"] == second["games"] == 2
    assert first["train"]["rows"] == second["train"]["rows"] == 8  # a clue of each of 4 players
    assert second["train"]["off_policy_rows"] == 0  # the exported checkpoint played the second round
    found = gaps(built.folder, tmp_path / "run/round-0001/rollouts", games, recipe.rollout.temperature)
    assert found.max() < 1e-4
    assert first["train"]["logprob_gap_max"] < 1e-4


def test_it_plays_and_trains_on_a_base_in_4_bits(built: Built, tmp_path: Path):
    pytest.importorskip("bitsandbytes")
    small = ["iterate.games=2", "iterate.rounds=2", "iterate.switching=clue", "iterate.preflight=0", "evaluate.every=0"]
    small += ["game.clue_rounds=1", "iterate.clue_votes=2", "model.quantization=4bit", "model.lora={rank: 4}"]
    recipe = load("tiny", [*ROOM, *small, f"model.path={built.folder}", "train.micro_batch=8"])
    games = write_games(tmp_path / "games", recipe, count=6, side=72)
    iterate.run(recipe, tmp_path / "run", games=games)
    for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines():
        trained = json.loads(line)["train"]
        assert trained["logprob_gap_max"] < 1e-4 and trained["off_policy_rows"] == 0
