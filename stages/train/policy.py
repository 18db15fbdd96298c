"""The policy as it trains, and the KL reference: which weights, in which precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stages.core import vlm
from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.train.adapter import fill_adapter, with_adapter

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def is_on_gpu(recipe: Recipe) -> bool:
    """Whether the recipe trains on a GPU of this machine."""
    return vlm.device_of(recipe.model).type == "cuda"


def uses_bf16(recipe: Recipe) -> bool:
    """Whether arithmetic is bf16 autocast (weights that train stay fp32 all the same)."""
    return is_on_gpu(recipe) if recipe.train.precision == "auto" else recipe.train.precision == "bf16"


def frozen_dtype(recipe: Recipe) -> str:
    """Precision of weights that do not train; autocast would round them to it in every product anyway."""
    return "bfloat16" if uses_bf16(recipe) else "float32"


def load_policy(recipe: Recipe, model: str, base: str, device: str | None) -> PreTrainedModel:
    """The weights to train on `device`: all of them in fp32, or the base with a fresh fp32 adapter.

    `model` is where training starts: full weights, or an adapter folder whose weights fill the fresh adapter.
    `stages.train.checks` has checked that they fit the recipe.
    """
    lora = recipe.model.lora
    if lora is None:
        return unfrozen(vlm.load_model(model, recipe.model, "float32", device), recipe.train.freeze)
    frozen = vlm.load_model(base, recipe.model, frozen_dtype(recipe), device).requires_grad_(False)
    policy = with_adapter(frozen, lora, recipe.seed)
    for weight in trainable(policy).values():  # the adapter's: PEFT freezes all else
        weight.data = weight.data.float()
    if vlm.is_adapter(model):
        fill_adapter(policy, model, lora)
    return policy


def unfrozen(model: PreTrainedModel, freeze: Sequence[str]) -> PreTrainedModel:
    """`model` with all weights training except those of the modules named in `freeze`.

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


def load_reference(recipe: Recipe, model: str, device: str | None) -> PreTrainedModel:
    """A frozen model that KL is measured to."""
    loaded: Any = vlm.load_model(model, recipe.model, frozen_dtype(recipe), device)
    if vlm.is_adapter(model):
        loaded = loaded.merge_and_unload()
    frozen: PreTrainedModel = loaded.requires_grad_(False)
    return frozen


def trainable(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The weights that train, by name; tied ones once."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
