"""A merged adapter computes what the adapter computes, from files that look like the base's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from stages.core.errors import InputError
from stages.core.recipe.model import Model
from stages.core.vlm import encode, load_processor
from stages.core.vlm.merging import check_mergeable, save_merged
from stages.core.vlm.saving import copy_own_files
from tests.families.adapters import adapter_of
from tests.train.test_experts import build_mixture
from tests.train.world import build_llava, change

LINE: Any = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "clue"}]}]
EXPERTS = {
    "target_modules": ["q_proj"],
    "target_parameters": ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"],
}


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {"dense": build_llava(folder / "dense"), "mixture": build_mixture(folder / "mixture")}


def merged(base: Path, adapter: Path, out: Path) -> Path:
    out.mkdir()
    copy_own_files(base, out, config=True)
    save_merged(adapter, base, Model(path=str(base), device="cpu"), out)
    return out


def logits(base: Path, folder: Path) -> torch.Tensor:
    """As anybody computes them who loads the folder with transformers."""
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    picture = Image.linear_gradient("L").resize((48, 48)).convert("RGB")
    with torch.no_grad():
        return model(**encode(load_processor(base, Model(path=str(base))), [LINE], [[picture]])).logits


KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("dense", {}),
    "rank-stabilised": ("dense", {"use_rslora": True}),
    "ranks of their own": ("dense", {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"down_proj": 3}}),
    "with biases": ("dense", {"target_modules": ["linear_1", "linear_2"], "lora_bias": True}),
    "one of two tied weights": ("dense", {"target_modules": ["q_proj", "lm_head"]}),
    "the other of two tied weights": ("dense", {"target_modules": ["q_proj", "embed_tokens"]}),
    "a whole head of tied weights": ("dense", {"modules_to_save": ["lm_head"]}),
    "whole weights of the projector": ("dense", {"modules_to_save": ["multi_modal_projector"]}),
    "vision tower": ("dense", {"target_modules": r".*vision_tower.*\.(q_proj|fc1)"}),
    "experts": ("mixture", EXPERTS),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_merged_adapter_gives_the_adapters_logits(kind: str, bases: dict[str, Path], tmp_path: Path) -> None:
    name, settings = KINDS[kind]
    adapter = adapter_of(bases[name], tmp_path / "adapter", **settings)
    out = merged(bases[name], adapter, tmp_path / "merged")
    plain, expected = logits(bases[name], bases[name]), logits(bases[name], adapter)
    assert (expected - plain).abs().max() > 1e-2
    assert logits(bases[name], out) == pytest.approx(expected, abs=1e-5)
    untied = json.loads((out / "config.json").read_text()).get("tie_word_embeddings") is False
    assert untied == ("tied" in kind)


def test_files_names_and_precision_are_the_bases(bases: dict[str, Path], tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    copy_own_files(bases["dense"], base, config=True)
    weights = {name: weight.bfloat16() for name, weight in load_file(bases["dense"] / "model.safetensors").items()}
    names = sorted(weights)
    for number, part in enumerate((names[:20], names[20:])):
        save_file({name: weights[name] for name in part}, base / f"part-{number}.safetensors", {"format": "pt"})
    places = {name: f"part-{int(number >= 20)}.safetensors" for number, name in enumerate(names)}
    (base / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    out = merged(base, adapter_of(base, tmp_path / "adapter"), tmp_path / "merged")
    index = json.loads((out / "model.safetensors.index.json").read_text())["weight_map"]
    assert sorted(index.values()) == sorted(places.values())
    found = {name: weight for file in set(index.values()) for name, weight in load_file(out / file).items()}
    assert found.keys() == index.keys() and {weight.dtype for weight in found.values()} == {torch.bfloat16}
    assert (out / "config.json").read_bytes() == (base / "config.json").read_bytes()


def is_dora(adapter: Path, base: Path) -> None:
    change(adapter / "adapter_config.json", lambda config: config.update(use_dora=True))


def is_pissa(adapter: Path, base: Path) -> None:
    change(adapter / "adapter_config.json", lambda config: config.update(init_lora_weights="pissa"))


def is_ia3(adapter: Path, base: Path) -> None:
    change(adapter / "adapter_config.json", lambda config: config.update(peft_type="IA3"))


def has_a_quantized_base(adapter: Path, base: Path) -> None:
    change(base / "config.json", lambda config: config.update(quantization_config={"quant_method": "awq"}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (is_dora, "use_dora=True, which vz cannot merge.*merge_and_unload"),
        (is_pissa, "init_lora_weights='pissa'"),
        (is_ia3, "of type IA3"),
        (has_a_quantized_base, "weights are quantized.*--base"),
    ],
)
def test_what_cannot_be_merged_exactly_is_refused_by_name(
    spoil: Callable[[Path, Path], None], message: str, tmp_path: Path
) -> None:
    for name, text in (("adapter/adapter_config.json", '{"peft_type": "LORA", "r": 4}'), ("base/config.json", "{}")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    check_mergeable(tmp_path / "adapter", tmp_path / "base")
    spoil(tmp_path / "adapter", tmp_path / "base")
    with pytest.raises(InputError, match=message):
        check_mergeable(tmp_path / "adapter", tmp_path / "base")
