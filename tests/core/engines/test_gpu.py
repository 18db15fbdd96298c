"""The transformers engine on a CUDA device: `make test-gpu`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stages.core import vlm
from stages.core.recipe import load
from tests.core.engines.test_transformers import PLAIN, answers, engine_of, pictures, request

__all__ = ["pictures"]  # the fixture

pytestmark = pytest.mark.gpu


def test_logprobs_on_the_gpu_are_those_of_a_plain_forward_pass(random_model: Path, pictures) -> None:
    asked = [request(picture, number, 2, PLAIN) for number, picture in enumerate(pictures)]
    recipe = load("tiny", ["model.device=cuda"]).model
    model, processor = vlm.load_model(random_model, recipe, "float32"), vlm.load_processor(random_model, recipe)
    with engine_of(random_model, "model.device=cuda") as engine:
        given = answers(engine, asked)
    for one, completions in zip(asked, given, strict=True):
        for completion in completions:
            inputs = vlm.encode(processor, [one.messages], [[one.pictures[0].load()]]).to("cuda")
            length = inputs["input_ids"].shape[1]
            ids = torch.cat([inputs["input_ids"], torch.tensor([completion.token_ids], device="cuda")], 1)
            with torch.no_grad():
                logits = model(
                    input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=inputs["pixel_values"]
                ).logits[0, length - 1 : -1]
            logits[:, vlm.placeholder_tokens(model, processor)] = -torch.inf
            expected = logits.log_softmax(-1)[range(len(completion.token_ids)), completion.token_ids]
            assert completion.logprobs == pytest.approx(expected.tolist(), abs=1e-3)


def test_a_sleeping_engine_holds_no_gpu_memory_and_wakes_when_asked(random_model: Path, pictures) -> None:
    with engine_of(random_model, "model.device=cuda") as engine:
        before = answers(engine, [request(pictures[0], 1, 4)])
        engine.sleep()
        assert {weight.device.type for weight in engine._policies["current"].model.parameters()} == {"cpu"}
        after = answers(engine, [request(pictures[0], 1, 4)])
    assert [one.token_ids for one in before[0]] == [one.token_ids for one in after[0]]
