"""Adapters: one engine serves them together with their base."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from stages.core.errors import InputError
from stages.core.folder.files import read_json, write_json
from stages.core.recipe import Recipe, load
from tests.core.engines.vllm.world import VLLM, Asker, assert_same_answer, recomputed

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def lora_recipe(vllm_recipe: Recipe) -> Recipe:
    return load("tiny", [*VLLM, "model.lora={rank: 8, alpha: 16}"])


@pytest.fixture(scope="module")
def adapters(model: Path, lora_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two adapters of the tiny model, whose weights are not zero."""
    from stages.core import vlm
    from stages.train.adapter import with_adapter

    folders = []
    for seed in (1, 2):
        policy = with_adapter(vlm.load_model(model, lora_recipe.model), lora_recipe.model.lora, seed)
        torch.manual_seed(seed)
        for name, weight in policy.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, 0, 0.3)
        folder = tmp_path_factory.mktemp(f"adapter-{seed}")
        policy.peft_config["default"].base_model_name_or_path = str(model)
        policy.save_pretrained(folder)
        folders.append(folder)
    return folders


def test_base_and_adapters_answer_together(lora_recipe: Recipe, model: Path, adapters: list[Path], pictures: Path):
    from stages.core.engines.vllm import VllmEngine
    from stages.core.folder.content import version_of

    places = {"base": model, "current": adapters[0], "opponent": adapters[1]}
    with VllmEngine(lora_recipe) as engine:
        for name, place in places.items():
            engine.load(name, place, version_of(place))
        asker = Asker(engine, lora_recipe, pictures)
        requests = [asker.request(number, policy=name) for number in range(4) for name in places]
        answers = asker.ask(requests)
        for request, (completion,) in zip(requests, answers, strict=True):
            expected = recomputed(places[request.policy], lora_recipe, request, completion)
            assert torch.tensor(completion.logprobs) == pytest.approx(expected, abs=1e-3)
        engine.load("current", adapters[1], "moved")
        (moved,), (opponent,) = asker.ask([asker.request(1), asker.request(1, policy="opponent")])
        assert_same_answer(moved, opponent)


@pytest.mark.parametrize(
    ("name", "value"),
    [("use_dora", True), ("bias", "all"), ("modules_to_save", ["lm_head"]), ("init_lora_weights", "pissa"),
     ("peft_type", "IA3"), ("target_parameters", ["experts.gate_up_proj", "experts.down_proj"])],
)  # fmt: skip
def test_an_adapter_that_vllm_cannot_serve_is_refused_before_it_starts(
    lora_recipe: Recipe, adapters: list[Path], tmp_path: Path, name: str, value: object
):
    from stages.core.engines.vllm.weights import weights_of

    adapter = Path(shutil.copytree(adapters[0], tmp_path / "adapter"))
    assert weights_of(adapter, "v", lora_recipe.model).rank == 8
    write_json(adapter / "adapter_config.json", read_json(adapter / "adapter_config.json") | {name: value})
    with pytest.raises(InputError, match="vLLM cannot serve this adapter: .*rollout.engine=transformers"):
        weights_of(adapter, "v", lora_recipe.model)


def test_an_engine_is_not_started_for_adapters_of_experts_on_a_cpu(model: Path, lora_recipe: Recipe):
    from stages.core.engines.vllm.arguments import argument_values
    from stages.core.engines.vllm.weights import Weights

    lora = lora_recipe.model.lora.model_copy(update={"target_parameters": ["mlp.experts.down_proj"]})
    recipe = lora_recipe.model_copy(update={"model": lora_recipe.model.model_copy(update={"lora": lora})})
    with pytest.raises(InputError, match="fused experts .* only on GPUs; set rollout.engine=transformers"):
        argument_values(recipe, Weights(str(model), "v"), gpus=0)
