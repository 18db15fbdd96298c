"""An adapter trains on a base in 4 bits: as its rows were played, and for the base in full precision."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from peft import PeftModel

from stages.core import vlm
from stages.core.errors import InputError
from stages.core.folder.files import read_json
from stages.core.recipe import Recipe, load
from stages.train import run
from stages.train.accelerate_file import Spread
from stages.train.policy import check_precision
from tests.train import world


def quantized(model: Path, **train: object) -> Recipe:
    made = world.recipe(model, lora=True, **train)
    return made.model_copy(update={"model": made.model.model_copy(update={"quantization": "4bit"})})


def test_a_base_in_4_bits_plays_and_trains_alike(model: Path, pictures: Path, tmp_path: Path) -> None:
    recipe = quantized(model, kl=0.04)
    rows = world.make_world(tmp_path, model, pictures, 5)
    base, processor = vlm.load_model(model, recipe.model, "float32"), vlm.load_processor(model, recipe.model)
    away = 0.0
    for row in rows.rows:
        with torch.no_grad():
            played = world.logprobs(base, processor, row, pictures)
        away = max(away, float((played - torch.tensor(row["completion_logprobs"])).abs().max()))
        row["completion_logprobs"] = played.tolist()
    assert away > 1e-3  # from the base in full precision
    world.write_rollouts(rows.rollouts, rows.rows, pictures)
    counts = run(recipe, rows.kept, tmp_path / "out").counts
    assert counts["logprob_gap_max"] < 1e-4 < counts["grad_norm"]
    assert counts["kl"] == pytest.approx(0, abs=1e-6)  # to the same base in 4 bits
    assert {value.dtype for value in world.tensors(tmp_path / "out-state").values()} == {torch.float32}
    assert read_json(tmp_path / "out/adapter_config.json")["base_model_name_or_path"] == str(model)
    full = vlm.load_model(model, world.recipe(model).model, "float32")
    PeftModel.from_pretrained(full, tmp_path / "out")  # loads on the base as it is published


def test_weights_have_the_same_codes_whatever_they_compute_in(model: Path) -> None:
    recipe = quantized(model).model
    sampler, trainer = (dict(vlm.load_model(model, recipe, dtype).named_parameters()) for dtype in (None, "float32"))
    quantized_ones = [name for name, weight in trainer.items() if weight.dtype is torch.uint8]
    assert len(quantized_ones) == 14 and all("language_model.layers" in name for name in quantized_ones)
    for name, weight in trainer.items():
        assert torch.equal(weight, sampler[name].to(weight.dtype)), name


def test_what_cannot_be_in_4_bits_is_refused(model: Path) -> None:
    recipe = quantized(model)
    all_weights = recipe.model_copy(update={"model": recipe.model.model_copy(update={"lora": None})})
    with pytest.raises(InputError, match=r"4-bit weights cannot train; set model\.lora"):
        check_precision(all_weights, Spread())
    with pytest.raises(InputError, match=r"cannot be sharded; set train\.accelerate_config=ddp"):
        check_precision(recipe, Spread(sharded=True))
    with pytest.raises(
        InputError, match=r"model\.quantization: vLLM cannot quantize .* set rollout\.engine=transformers"
    ):
        load("tiny", ["model.quantization=4bit", "rollout.engine=vllm"])
