"""Windows of a vision tower attend in one call for each layer, and to the same effect."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import Qwen2_5_VLConfig, SiglipVisionConfig, SiglipVisionModel
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel

from stages.core.vlm.windows import NAME, attend_at_once


class Calls(TorchDispatchMode):
    """Counts calls of attention kernels."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += "scaled_dot_product" in str(function) and "backward" not in str(function)
        return function(*args, **(kwargs or {}))


def tower(grids: list[list[int]]) -> tuple[Qwen2_5_VisionTransformerPretrainedModel, dict[str, torch.Tensor]]:
    """Four layers, of which one sees whole pictures, and random pictures for them."""
    torch.manual_seed(0)
    config = Qwen2_5_VLConfig().vision_config
    config.update({"depth": 4, "hidden_size": 64, "num_heads": 4, "intermediate_size": 32, "out_hidden_size": 32})
    config.fullatt_block_indexes = [3]
    made = Qwen2_5_VisionTransformerPretrainedModel._from_config(config, attn_implementation="sdpa")
    grid = torch.tensor(grids)
    return made, {"hidden_states": torch.randn(int(grid.prod(1).sum()), 1176), "grid_thw": grid}


def outcome(model, inputs) -> tuple[torch.Tensor, torch.Tensor, int]:
    model.zero_grad()
    with Calls() as calls:
        found = model(**inputs).last_hidden_state
    found.square().mean().backward()
    return found.detach(), model.blocks[0].attn.qkv.weight.grad.clone(), calls.count


@pytest.mark.parametrize("grids", [[[1, 22, 34]], [[1, 22, 34], [1, 8, 4]], [[1, 16, 16]]])
def test_all_windows_attend_in_one_call_to_the_same_effect(grids: list[list[int]]) -> None:
    model, inputs = tower(grids)
    before, gradient, calls = outcome(model, inputs)
    attend_at_once(model)
    after, same, fewer = outcome(model, inputs)
    assert calls > fewer == 4
    assert (after - before).norm() < 1e-6 * before.norm()
    assert (same - gradient).norm() < 2e-6 * gradient.norm()


def test_a_tower_without_windows_stays_as_it_is() -> None:
    config = SiglipVisionConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    model = SiglipVisionModel._from_config(config, attn_implementation="sdpa")
    attend_at_once(model)
    assert NAME not in {
        getattr(module.config, "_attn_implementation", "") for module in model.modules() if hasattr(module, "config")
    }
