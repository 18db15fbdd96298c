"""The transformers engine on a tiny random model: what is sampled, and that it does not depend on company."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from stages.core import vlm
from stages.core.engines.base import Completion, Request, Sampling
from stages.core.engines.transformers import TransformersEngine
from stages.core.errors import InputError, VzError
from stages.core.folder.files import sha256_file
from stages.core.pictures import Picture
from stages.core.recipe import load

PLAIN = Sampling(temperature=1.0, top_p=1.0, max_tokens=6, min_tokens=0, repetition_penalty=1.0)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for number in range(4):
        Image.new("RGB", (72, 72), (60 * number, 200 - 40 * number, 90)).save(folder / f"{number}.png")
        found.append(Picture(folder, f"{number}.png", sha256_file(folder / f"{number}.png")))
    return found


def engine_of(model: Path, *overrides: str) -> TransformersEngine:
    engine = TransformersEngine(load("tiny", ["model.dtype=float32", *overrides]))
    engine.load("current", model, "v1")
    return engine


def request(picture: Picture, number: int, n: int = 1, sampling: Sampling = PLAIN, words: str = "who") -> Request:
    content = [{"type": "text", "text": "vote players 4"}, {"type": "image", "text": None},
               {"type": "text", "text": "1 : red cube . " * number + words}]  # fmt: skip
    return Request(
        (number, 0), [{"role": "user", "content": content}], [picture], n, 1000 * number, sampling, "current"
    )


def answers(engine: TransformersEngine, requests: list[Request]) -> list[list[Completion]]:
    async def ask() -> list[list[Completion]]:
        return list(await asyncio.gather(*(engine.generate(one) for one in requests)))

    return engine.run(ask())


def test_logprobs_are_those_of_a_plain_forward_pass(random_model: Path, pictures: list[Picture]):
    sampling = Sampling(temperature=0.7, top_p=1.0, max_tokens=6, min_tokens=0, repetition_penalty=1.0)
    asked = [request(picture, number, 2, sampling) for number, picture in enumerate(pictures)]
    recipe = load("tiny").model
    model, processor = vlm.load_model(random_model, recipe, "float32"), vlm.load_processor(random_model, recipe)
    with engine_of(random_model) as engine:
        for one, completions in zip(asked, answers(engine, asked), strict=True):
            for completion in completions:
                inputs = vlm.encode(processor, [one.messages], [[one.pictures[0].load()]])
                length = inputs["input_ids"].shape[1]
                ids = torch.cat([inputs["input_ids"], torch.tensor([completion.token_ids])], 1)
                with torch.no_grad():
                    logits = model(
                        input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=inputs["pixel_values"]
                    ).logits[0, length - 1 : -1]
                logits[:, vlm.placeholder_tokens(model, processor)] = -torch.inf
                expected = (logits / 0.7).log_softmax(-1)[range(len(completion.token_ids)), completion.token_ids]
                assert completion.logprobs == pytest.approx(expected.tolist(), abs=2e-5)
                assert completion.prompt_sha256 == vlm.prompt_hash(inputs["input_ids"][0].tolist())
                assert completion.prompt_tokens == length


@pytest.mark.parametrize("size", [1, 4, 16])
def test_completions_do_not_depend_on_the_batch(random_model: Path, pictures: list[Picture], size: int):
    asked = [request(pictures[number % 4], number, 4) for number in range(6)]
    with engine_of(random_model) as engine:
        together = answers(engine, asked)
    with engine_of(random_model, f"rollout.batch_size={size}") as engine:
        apart = answers(engine, asked)
    pairs = [(a, b) for left, right in zip(together, apart, strict=True) for a, b in zip(left, right, strict=True)]
    same = [a.token_ids == b.token_ids for a, b in pairs]
    assert sum(same) >= len(same) - 1  # a draw on the very edge between two tokens may fall either way
    for a, b in pairs:
        if a.token_ids == b.token_ids:
            assert a.logprobs == pytest.approx(b.logprobs, abs=1e-4)


def test_a_repetition_penalty_does_not_count_padding(random_model: Path, pictures: list[Picture]):
    """The token that pads may be one that ends an answer; its chance must not depend on other prompts' lengths."""
    strong = Sampling(temperature=1.0, top_p=1.0, max_tokens=6, min_tokens=0, repetition_penalty=5.0)
    asked = [request(picture, 4 * number, 4, strong) for number, picture in enumerate(pictures)]
    said = []
    for size in (1, 16):
        with engine_of(random_model, f"rollout.batch_size={size}") as engine:
            policy = engine._policies["current"]
            policy.processor.tokenizer.pad_token = policy.processor.tokenizer.eos_token
            said.append([one for given in answers(engine, asked) for one in given])
    for alone, together in zip(*said, strict=True):
        assert alone.token_ids == together.token_ids
        assert alone.logprobs == pytest.approx(together.logprobs, abs=1e-4)


def test_sample_i_uses_seed_plus_i(random_model: Path, pictures: list[Picture]):
    many = request(pictures[0], 2, n=4)
    alone = [Request(many.order, many.messages, many.pictures, 1, many.seed + i, PLAIN, "current") for i in range(4)]
    with engine_of(random_model) as engine:
        (together,) = answers(engine, [many])
        apart = answers(engine, alone)
    assert [one.token_ids for one in together] == [one[0].token_ids for one in apart]


def shapes_of(engine: TransformersEngine) -> list[tuple[int, int]]:
    """Rows and tokens of each forward pass from now on."""
    seen: list[tuple[int, int]] = []
    model = engine._policies["current"].model
    model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    return seen


def test_a_prompt_is_computed_once_for_all_its_samples(random_model: Path, pictures: list[Picture]):
    with engine_of(random_model) as engine:
        seen = shapes_of(engine)
        ((one, *_), (other, *_)) = answers(engine, [request(pictures[0], 1, n=8), request(pictures[1], 3, n=8)])
    assert seen[0] == (2, max(one.prompt_tokens, other.prompt_tokens))
    assert seen[1] == (16, 1)


def test_waiting_prompts_hold_no_pictures_and_get_them_back(random_model: Path, pictures: list[Picture]):
    asked = [request(picture, number, 2) for number, picture in enumerate(pictures)]
    with engine_of(random_model) as engine:
        policy = engine._policies["current"]
        assert not policy.question(asked[0], 900).prompt.pictures
        policy.pictures.prepared = 0
        whole = answers(engine, asked)
        assert policy.pictures.prepared == len(pictures) - 1
    with engine_of(random_model) as engine:
        policy = engine._policies["current"]
        policy.pictures._entries.clear()  # the engine before, which shares them, may still be in memory
        policy.pictures._held, policy.pictures.prepared, policy.pictures._limit = 0, 0, 1  # room for one picture only
        assert answers(engine, asked) == whole
        assert policy.pictures.prepared > len(pictures)


def test_rows_that_have_ended_leave_the_batch(random_model: Path, pictures: list[Picture]):
    long = Sampling(temperature=1.0, top_p=1.0, max_tokens=200, min_tokens=0, repetition_penalty=1.0)
    with engine_of(random_model) as engine:
        seen = shapes_of(engine)
        (completions,) = answers(engine, [request(pictures[0], 1, n=64, sampling=long)])
    rows = [rows for rows, _ in seen[1:]]
    lengths = sorted((len(one.token_ids) for one in completions), reverse=True)
    assert rows == sorted(rows, reverse=True) and rows[-1] < rows[0] == 64
    for step, count in enumerate(rows, start=1):  # never more than twice those that still speak
        assert sum(length > step for length in lengths) <= count <= 2 * sum(length > step for length in lengths)


@pytest.mark.parametrize("deterministic", ["true", "false"])
def test_a_batch_holds_prompts_of_about_one_length(random_model: Path, pictures: list[Picture], deterministic: str):
    asked = [request(pictures[number % 4], 10 * (number % 2)) for number in range(8)]
    asked = [replace(one, order=(place, 0)) for place, one in enumerate(asked)]
    with engine_of(random_model, "rollout.batch_size=4", f"deterministic={deterministic}") as engine:
        seen = shapes_of(engine)
        given = answers(engine, asked)
    lengths = [completions[0].prompt_tokens for completions in given]
    assert lengths == [lengths[0], lengths[1]] * 4
    assert [shape for shape in seen if shape[1] > 1] == [(4, lengths[1]), (4, lengths[0])]


def test_the_tally_counts_a_prompt_once(random_model: Path, pictures: list[Picture]):
    with engine_of(random_model, "rollout.batch_size=3") as engine:
        ((first, *rest),) = answers(engine, [request(pictures[0], 1, n=8)])
    assert engine.tally.completions == 8
    assert engine.tally.tokens_in == first.prompt_tokens
    assert engine.tally.tokens_out == sum(len(one.token_ids) for one in [first, *rest])


def test_samples_follow_the_models_distribution(random_model: Path, pictures: list[Picture]):
    once = Sampling(temperature=1.0, top_p=1.0, max_tokens=1, min_tokens=0, repetition_penalty=1.0)
    with engine_of(random_model) as engine:
        (drawn,) = answers(engine, [request(pictures[1], 1, n=3000, sampling=once)])
    tokens = torch.tensor([one.token_ids[0] for one in drawn])
    likely = {one.token_ids[0]: torch.tensor(one.logprobs[0]).exp().item() for one in drawn}
    token, chance = max(likely.items(), key=lambda item: item[1])
    share = (tokens == token).float().mean().item()
    assert abs(share - chance) < 4 * (chance * (1 - chance) / 3000) ** 0.5


def test_temperature_zero_is_greedy_and_a_tiny_nucleus_too(random_model: Path, pictures: list[Picture]):
    greedy = Sampling(temperature=0.0, top_p=1.0, max_tokens=4, min_tokens=0, repetition_penalty=1.0)
    nucleus = Sampling(temperature=1.0, top_p=1e-6, max_tokens=4, min_tokens=0, repetition_penalty=1.0)
    with engine_of(random_model) as engine:
        first, second = answers(engine, [request(pictures[0], 1, 3, greedy), request(pictures[0], 1, 3, nucleus)])
    assert len({tuple(one.token_ids) for one in [*first, *second]}) == 1


def test_an_answer_cut_off_says_so(random_model: Path, pictures: list[Picture]):
    with engine_of(random_model) as engine:
        (completions,) = answers(engine, [request(pictures[0], 1, 40)])
        stops = engine._policies["current"].stop_tokens
    for one in completions:
        assert one.finish_reason == ("stop" if one.token_ids[-1] in stops else "length")
        assert not set(one.token_ids[:-1]) & stops


def test_placeholders_are_never_drawn(random_model: Path, pictures: list[Picture]):
    with engine_of(random_model) as engine:
        (completions,) = answers(engine, [request(pictures[0], 1, 200)])
        suppressed = set(engine._policies["current"].suppressed)
    assert suppressed and not suppressed & {token for one in completions for token in one.token_ids}


def test_an_adapter_answers_as_its_merged_weights(random_model: Path, tmp_path: Path, pictures: list[Picture]):
    from peft import LoraConfig, get_peft_model

    recipe = load("tiny").model
    adapted = get_peft_model(
        vlm.load_model(random_model, recipe),
        LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
    )
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(0.0, 0.2)
    adapted.peft_config["default"].base_model_name_or_path = str(random_model)
    adapted.save_pretrained(str(tmp_path / "adapter"))
    adapted.merge_and_unload().save_pretrained(tmp_path / "merged")
    for folder in ("adapter", "merged"):
        vlm.load_processor(random_model, recipe).save_pretrained(tmp_path / folder)
    asked = [request(picture, number, 4) for number, picture in enumerate(pictures)]
    said = []
    for folder in (tmp_path / "adapter", tmp_path / "merged", random_model):
        with engine_of(folder) as engine:
            said.append([[one.token_ids for one in given] for given in answers(engine, asked)])
    assert said[0] == said[1] != said[2]


def test_an_unloaded_policy_is_an_error(random_model: Path, pictures: list[Picture]):
    with engine_of(random_model) as engine:
        engine.unload("current")
        assert not engine._policies
        with pytest.raises(InputError, match="only \\[\\] are loaded"):
            answers(engine, [request(pictures[0], 1)])


def test_new_weights_replace_the_old(random_model: Path, tmp_path: Path, pictures: list[Picture]):
    model = vlm.load_model(random_model, load("tiny").model, "float32")
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05)
    model.save_pretrained(tmp_path)
    vlm.load_processor(random_model, load("tiny").model).save_pretrained(tmp_path)
    with engine_of(random_model) as engine:
        before = answers(engine, [request(pictures[0], 1, 8)])
        engine.load("current", tmp_path, "v2")
        assert engine.version("current") == "v2"
        assert answers(engine, [request(pictures[0], 1, 8)]) != before


def test_a_prompt_that_is_too_long_is_an_error(random_model: Path, pictures: list[Picture]):
    with (
        engine_of(random_model, "rollout.max_prompt_tokens=30") as engine,
        pytest.raises(InputError, match="prompt has"),
    ):
        answers(engine, [request(pictures[0], 1), request(pictures[0], 30)])


def test_a_stray_placeholder_stops_the_games_instead_of_hanging(random_model: Path, pictures: list[Picture]):
    with engine_of(random_model) as engine, pytest.raises(VzError, match="could not make a prompt's inputs"):
        answers(engine, [request(pictures[0], 1, words="<image>"), request(pictures[0], 2)])


def test_an_unknown_policy_and_a_folder_without_model_are_errors(tmp_path: Path, pictures: list[Picture]):
    with TransformersEngine(load("tiny")) as engine, pytest.raises(InputError, match="only \\[\\] are loaded"):
        answers(engine, [request(pictures[0], 1)])
    with TransformersEngine(load("tiny")) as engine, pytest.raises(InputError, match="cannot be loaded"):
        engine.load("current", tmp_path, "v")


# What a generation_config.json may hold, each with a value that would bend sampling or stop the engine.
ODD: dict[str, object] = {
    **{"no_repeat_ngram_size": 2, "min_length": 80, "bad_words_ids": [[20], [21], [22]], "guidance_scale": 1.5},
    **{"exponential_decay_length_penalty": [1, 5.0], "num_beams": 3, "num_return_sequences": 2, "min_p": 0.5},
    **{"encoder_no_repeat_ngram_size": 2, "stop_strings": ["cube"], "max_length": 5, "max_new_tokens": 2, "top_k": 1},
    **{"min_new_tokens": 3, "max_time": 1e-3, "use_cache": False, "cache_implementation": "static", "top_p": 0.1},
    **{"prefill_chunk_size": 8, "temperature": 0.1, "top_h": 0.3, "typical_p": 0.2, "epsilon_cutoff": 0.1},
    **{"eta_cutoff": 0.1, "repetition_penalty": 3.0, "encoder_repetition_penalty": 2.0, "length_penalty": 3.0},
    **{"renormalize_logits": True, "forced_bos_token_id": 9, "forced_eos_token_id": 5, "suppress_tokens": [20, 21]},
    **{"begin_suppress_tokens": [20, 21], "sequence_bias": [[[20], 5.0]], "token_healing": True, "do_sample": False},
    **{"watermarking_config": {"bias": 2.5}, "output_attentions": True, "output_hidden_states": True},
    **{"output_scores": True, "output_logits": True, "return_dict_in_generate": True, "decoder_start_token_id": 3},
    **{"is_assistant": True, "num_assistant_tokens": 4, "prompt_lookup_num_tokens": 3, "assistant_early_exit": 1},
    **{"compile_config": {"fullgraph": True}, "low_memory": True, "penalty_alpha": 0.6, "dola_layers": "high"},
    **{"num_beam_groups": 3, "diversity_penalty": 1.0, "constraints": [1], "force_words_ids": [[20]]},
    **{"custom_generate": "somebody/loop", "trust_remote_code": True, "pad_token_id": 7, "bos_token_id": 9},
    **{"early_stopping": True, "remove_invalid_values": True, "speculation_type": "mtp", "max_cache_len": 4},
}


def with_generation_config(model: Path, folder: Path, **values: object) -> Path:
    shutil.copytree(model, folder)
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return folder


@pytest.fixture(scope="module")
def plain_answers(random_model: Path, pictures: list[Picture]) -> list[list[Completion]]:
    with engine_of(random_model) as engine:
        return answers(engine, [request(picture, 3 * number, 2) for number, picture in enumerate(pictures)])


@pytest.mark.parametrize("name", [*list(ODD)[:12], "all at once"])
def test_no_field_of_a_generation_config_changes_the_answers(
    name: str, random_model: Path, pictures: list[Picture], plain_answers: list[list[Completion]], tmp_path: Path
):
    values = ODD if name == "all at once" else {name: ODD[name]}
    with engine_of(with_generation_config(random_model, tmp_path / "model", **values)) as engine:
        said = answers(engine, [request(picture, 3 * number, 2) for number, picture in enumerate(pictures)])
    assert said == plain_answers


def test_every_end_token_of_a_generation_config_ends_an_answer(
    random_model: Path, pictures: list[Picture], plain_answers: list[list[Completion]], tmp_path: Path
):
    first = plain_answers[0][0].token_ids[0]
    with engine_of(with_generation_config(random_model, tmp_path / "model", eos_token_id=[5, first])) as engine:
        ((completion, _),) = answers(engine, [request(pictures[0], 0, 2)])
    assert completion.token_ids == [first] and completion.finish_reason == "stop"


def test_an_end_token_outside_the_vocabulary_is_refused(random_model: Path, tmp_path: Path):
    with pytest.raises(InputError, match=r"generation_config.json: eos_token_id is 'stop', not a token id"):
        engine_of(with_generation_config(random_model, tmp_path / "model", eos_token_id="stop"))
