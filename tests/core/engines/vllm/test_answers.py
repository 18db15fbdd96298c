"""vLLM's answers: seeds, log-probs, prompts, and new weights."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stages.core import vlm
from stages.core.errors import InputError
from stages.core.recipe import Recipe
from tests.core.engines.vllm.world import ONE_ENGINE, Asker, assert_same_answer, build_model, recomputed

pytestmark = [pytest.mark.vllm, ONE_ENGINE]


def test_a_seed_draws_the_same_alone_and_among_many(asker: Asker):
    together = asker.ask([asker.request(number) for number in range(24)])
    for number in (0, 7, 23):
        assert asker.ask([asker.request(number)])[0][0].token_ids == together[number][0].token_ids
    assert len({tuple(answer[0].token_ids) for answer in together}) > 6


def test_sample_i_is_drawn_with_seed_plus_i(asker: Asker):
    request = asker.request(3, n=4)
    (votes,) = asker.ask([request])
    alone = asker.ask([replace(request, n=1, seed=request.seed + sample) for sample in range(4)])
    assert [vote.token_ids for vote in votes] == [one[0].token_ids for one in alone]
    assert len({tuple(vote.token_ids) for vote in votes}) > 1


def test_log_probs_match_transformers(asker: Asker, model: Path):
    for number in range(6):
        request = asker.request(number)
        ((completion,),) = asker.ask([request])
        expected = recomputed(model, asker.recipe, request, completion)
        assert torch.tensor(completion.logprobs) == pytest.approx(expected, abs=1e-4)


def test_minimum_lengths_and_repetition_penalties_match_training(asker: Asker, model: Path):
    for number in range(6):
        ruled = replace(asker.request(number).sampling, min_tokens=6, repetition_penalty=1.5)
        request = asker.request(number, sampling=ruled)
        ((completion,),) = asker.ask([request])
        assert len(completion.token_ids) > 6
        expected = recomputed(model, asker.recipe, request, completion)
        assert torch.tensor(completion.logprobs) == pytest.approx(expected, abs=1e-4)


def test_prompt_tokens_match_the_trainers(asker: Asker, model: Path):
    request = asker.request(1)
    ((completion,),) = asker.ask([request])
    processor = vlm.load_processor(model, asker.recipe.model)
    inputs = vlm.encode(processor, [request.messages], [[picture.load() for picture in request.pictures]])
    ids = inputs["input_ids"][0].tolist()
    packed = b"".join(token.to_bytes(4, "little") for token in ids)
    assert completion.prompt_tokens == len(ids)
    assert completion.prompt_sha256 == hashlib.sha256(packed).hexdigest()


def test_an_answer_ends_with_its_stop_token_or_at_the_limit(asker: Asker, model: Path):
    answers = [answer[0] for answer in asker.ask([asker.request(number) for number in range(16)])]
    limit = asker.recipe.rollout.max_clue_tokens
    for answer in answers:
        assert len(answer.logprobs) == len(answer.token_ids)
        assert (answer.token_ids[-1] == 5) == (answer.finish_reason == "stop")
        assert answer.finish_reason == "stop" or len(answer.token_ids) == limit
    assert "stop" in {answer.finish_reason for answer in answers}
    short = replace(asker.request(0).sampling, max_tokens=1)
    ((cut,),) = asker.ask([asker.request(0, sampling=short)])
    assert cut.finish_reason == "length" and len(cut.token_ids) == 1


def test_greedy_samples_are_the_likeliest_answer(asker: Asker, model: Path):
    greedy = replace(asker.request(2).sampling, temperature=0.0)
    request = asker.request(2, sampling=greedy, n=3)
    (answers,) = asker.ask([request])
    assert len(answers) == 3 and len({tuple(answer.token_ids) for answer in answers}) == 1
    assert torch.tensor(answers[0].logprobs) == pytest.approx(
        recomputed(model, asker.recipe, request, answers[0]), abs=1e-4
    )


def test_a_repeated_picture_and_prompt_come_from_the_cache(asker: Asker):
    long = "clue list " * 30
    parts = [{"type": "image", "text": None}, {"type": "text", "text": long}]
    request = asker.request(0, messages=[{"role": "user", "content": parts}])
    asker.ask([request])
    before = asker.engine.tally.copy()
    asker.ask([replace(request, seed=5)])
    grown = asker.engine.tally.since(before)
    assert grown.tokens_in > 60 and grown.tokens_cached >= 32 * ((grown.tokens_in - 1) // 32)


def test_pictures_are_not_confused_in_the_cache(asker: Asker, model: Path):
    first = asker.request(0)
    second = replace(first, pictures=asker.request(1).pictures)
    asker.ask([first])
    ((completion,),) = asker.ask([second])
    expected = recomputed(model, asker.recipe, second, completion)
    assert torch.tensor(completion.logprobs) == pytest.approx(expected, abs=1e-4)


def test_a_prompt_beyond_the_limit_is_an_error(asker: Asker):
    tokens = asker.recipe.rollout.max_prompt_tokens
    parts = [{"type": "image", "text": None}, {"type": "text", "text": "clue " * tokens}]
    with pytest.raises(InputError, match=f"max_prompt_tokens is {tokens}"):
        asker.ask([asker.request(0, messages=[{"role": "user", "content": parts}])])


def test_new_weights_replace_the_old_in_place_with_all_caches(asker: Asker, model: Path, other_model: Path):
    request = asker.request(0)
    ((before,),) = asker.ask([request])
    asker.engine.load("current", other_model, "v2")
    try:
        ((completion,),) = asker.ask([request])
        expected = recomputed(other_model, asker.recipe, request, completion)
        assert torch.tensor(completion.logprobs) == pytest.approx(expected, abs=1e-4)
        old = recomputed(model, asker.recipe, request, completion)
        assert (old - expected).abs().max() > 1e-2
    finally:
        asker.engine.load("current", model, "v1")
    ((after,),) = asker.ask([request])
    assert_same_answer(after, before)


def test_tied_embeddings_are_reloaded(vllm_recipe: Recipe, pictures: Path, tmp_path: Path):
    from stages.core.engines.vllm import VllmEngine

    models = [build_model(tmp_path / f"tied-{seed}", seed, tied=True) for seed in (0, 1)]
    with VllmEngine(vllm_recipe) as engine:
        asker = Asker(engine, vllm_recipe, pictures)
        for version, model in enumerate(models):
            engine.load("current", model, f"tied-{version}")
            request = asker.request(0)
            ((completion,),) = asker.ask([request])
            expected = recomputed(model, vllm_recipe, request, completion)
            assert torch.tensor(completion.logprobs) == pytest.approx(expected, abs=1e-4)


def test_two_policies_with_different_weights_need_weights_at_once(asker: Asker, model: Path, other_model: Path):
    asker.engine.load("base", model, "v1")
    ((base,),), ((current,),) = asker.ask([asker.request(0, policy="base")]), asker.ask([asker.request(0)])
    assert_same_answer(base, current)  # shared: equal weights
    asker.engine.load("opponent", other_model, "v2")
    with pytest.raises(InputError, match="weights_at_once"):
        asker.ask([asker.request(0)])
    asker.engine.load("current", model, "v1")
    asker.ask([asker.request(0)])


def test_weights_of_another_shape_are_refused_by_name(asker: Asker, model: Path, vllm_recipe: Recipe, tmp_path: Path):
    from tests.train.world import build_llava

    odd = build_llava(tmp_path / "odd")
    try:
        with pytest.raises(InputError, match=str(odd)):
            asker.engine.load("current", odd, "odd")
    finally:
        asker.engine.load("current", model, "v1")
    asker.ask([asker.request(0)])


def test_a_prompt_without_a_picture_is_answered(asker: Asker, model: Path):
    """Such as the judge's of an evaluation."""
    request = asker.request(0)
    request = replace(
        request, pictures=[], messages=[{"role": "user", "content": [{"type": "text", "text": "clue list seat"}]}]
    )
    ((completion,),) = asker.ask([request])
    expected = recomputed(model, asker.recipe, request, completion)
    assert torch.tensor(completion.logprobs) == pytest.approx(expected, abs=1e-4)
