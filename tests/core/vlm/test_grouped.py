"""Attention without copies of keys and values gives what transformers' own gives."""

from copy import deepcopy

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from stages.core.vlm import grouped


@pytest.fixture(scope="module")
def models() -> dict[str, LlamaForCausalLM]:
    """The same weights under both kinds of attention: six heads that share two keys and values."""
    grouped.register()
    config = LlamaConfig(vocab_size=50, hidden_size=48, intermediate_size=64, num_hidden_layers=2,
                         num_attention_heads=6, num_key_value_heads=2)  # fmt: skip
    torch.manual_seed(0)
    weights = LlamaForCausalLM(config).state_dict()
    found = {}
    for name in ("eager", grouped.NAME):
        found[name] = LlamaForCausalLM._from_config(deepcopy(config), attn_implementation=name)
        found[name].load_state_dict(weights)
    return found


def test_logits_and_gradients_are_those_of_eager(models: dict[str, LlamaForCausalLM]):
    ids = torch.randint(50, (3, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(ids)
    mask[0, :5] = 0  # padding
    seen = {}
    for name, model in models.items():
        model.zero_grad()
        logits = model(ids, attention_mask=mask).logits[mask.bool()]
        logits.square().sum().backward()
        assert model.config._attn_implementation == name
        seen[name] = logits, model.model.layers[0].self_attn.k_proj.weight.grad
    for mine, theirs in zip(seen[grouped.NAME], seen["eager"], strict=True):
        assert mine.abs().max() > 1e-2 and torch.allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_a_step_of_decoding_sees_all_before_it(models: dict[str, LlamaForCausalLM]):
    ids = torch.randint(50, (2, 9), generator=torch.Generator().manual_seed(2))
    model = models[grouped.NAME]
    with torch.inference_mode():
        before = model(ids[:, :-1], use_cache=True)
        step = model(ids[:, -1:], past_key_values=before.past_key_values).logits[:, 0]
        assert torch.allclose(step, models["eager"](ids).logits[:, -1], atol=1e-5)
