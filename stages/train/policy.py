"""The policy as it trains, and the KL reference: which weights, in which precision."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import vlm
from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.core.recipe.model import Lora

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def uses_bf16(recipe: Recipe) -> bool:
    """Whether arithmetic is bf16 autocast (weights that train stay fp32 all the same)."""
    if recipe.train.precision == "auto":
        return vlm.device_of(recipe.model).type == "cuda"
    return recipe.train.precision == "bf16"


def frozen_dtype(recipe: Recipe) -> str:
    """Precision of weights that do not train; autocast would round them to it in every product anyway."""
    return "bfloat16" if uses_bf16(recipe) else "float32"


def load_policy(recipe: Recipe, model: str, base: str) -> PreTrainedModel:
    """The weights to train on the device: all of them in fp32, or the base with a fresh fp32 adapter.

    `model` is where training starts: full weights, or an adapter folder whose weights fill the fresh adapter.
    """
    lora = recipe.model.lora
    if lora is None:
        if vlm.base_of_adapter(model) is not None:
            raise InputError(f"{model}: is a LoRA adapter, but the recipe trains all weights; set model.lora")
        return unfrozen(vlm.load_model(model, recipe.model, "float32"), recipe.train.freeze)
    frozen = vlm.load_model(base, recipe.model, frozen_dtype(recipe)).requires_grad_(False)
    policy = with_adapter(frozen, lora, recipe.seed)
    for name, weight in policy.named_parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
            assert "lora_" in name  # PEFT freezes all else
    if vlm.base_of_adapter(model) is not None:
        _fill_adapter(policy, Path(model))
    elif model != base:
        raise InputError(
            f"{model}: with model.lora the start must be the base model {base} or an adapter of it, or KL would be "
            "measured to other weights than those the rows were played by"
        )
    return policy


def unfrozen(model: PreTrainedModel, freeze: Sequence[str]) -> PreTrainedModel:
    """`model` with all weights training but those of the modules named in `freeze`.

    `InputError` for a name that no module has.
    """
    weights = dict(model.requires_grad_(True).named_parameters())
    for part in freeze:
        inside = [weight for name, weight in weights.items() if f".{part}." in f".{name}"]
        if not inside:
            parts = dict.fromkeys(step for name in weights for step in name.split(".")[:3] if not step.isdigit())
            raise InputError(f"train.freeze: the model has no module '{part}'; it has {', '.join(parts)}, …")
        for weight in inside:
            weight.requires_grad_(False)
    return model


def load_reference(recipe: Recipe, model: str) -> PreTrainedModel:
    """What KL is measured to, frozen: the run's base in every round when all weights train, or what anchors hold to."""
    loaded: Any = vlm.load_model(model, recipe.model, frozen_dtype(recipe))
    if vlm.base_of_adapter(model) is not None:
        loaded = loaded.merge_and_unload()
    frozen: PreTrainedModel = loaded.requires_grad_(False)
    return frozen


def with_adapter(model: PreTrainedModel, lora: Lora, seed: int) -> PreTrainedModel:
    """`model` with a fresh adapter of the model's own dtype; the same random A matrices wherever it is made."""
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=_targets(model, lora),
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapted: Any = get_peft_model(model, config, autocast_adapter_dtype=False)
    return adapted


def trainable(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Weights that train, by name, tied ones once."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def _targets(model: PreTrainedModel, lora: Lora) -> list[str] | str:
    """`all-linear` means the language model's layers: engines cannot serve adapters of vision towers."""
    import torch

    if lora.target_modules != "all-linear":
        return lora.target_modules
    decoder = model.get_decoder()
    prefix = next((name for name, module in model.named_modules() if module is decoder), "")
    if not prefix:
        return "all-linear"
    linear = {name.split(".")[-1] for name, module in decoder.named_modules() if isinstance(module, torch.nn.Linear)}
    return rf".*{re.escape(prefix.split('.')[-1])}\..*\.({'|'.join(sorted(linear))})"


def _fill_adapter(policy: PreTrainedModel, folder: Path) -> None:
    from peft import load_peft_weights, set_peft_model_state_dict

    result = set_peft_model_state_dict(policy, load_peft_weights(str(folder), device="cpu"))
    missing = [name for name in result.missing_keys if "lora_" in name]
    if missing or result.unexpected_keys:
        raise InputError(
            f"{folder}: its adapter does not fit model.lora (rank, target_modules): "
            f"'{[*missing, *result.unexpected_keys][0]}' differs"
        )
