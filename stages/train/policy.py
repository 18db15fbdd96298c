"""The policy as it trains, and the KL reference: which weights, in which precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from stages.core import vlm
from stages.core.errors import InputError, MissingExtra
from stages.core.recipe import Recipe
from stages.core.vlm.loading import BITSANDBYTES, with_saved_adapter
from stages.train.adapter import fill_adapter, with_adapter

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from stages.train.accelerate_file import Spread


def is_on_gpu(recipe: Recipe) -> bool:
    """Whether the recipe trains on a GPU of this machine."""
    return vlm.device_of(recipe.model).type == "cuda"


def uses_bf16(recipe: Recipe) -> bool:
    """Whether arithmetic is bf16 autocast (weights that train stay fp32 all the same)."""
    return is_on_gpu(recipe) if recipe.train.precision == "auto" else recipe.train.precision == "bf16"


def frozen_dtype(recipe: Recipe) -> str:
    """Precision of weights that do not train; autocast would round them to it in every product anyway."""
    return "bfloat16" if uses_bf16(recipe) else "float32"


def check_precision(recipe: Recipe, spread: Spread) -> None:
    """`InputError` for weights in 4 bits that cannot train or be sharded, or without the package for few bits."""
    quantized = recipe.model.quantization != "none"
    if quantized and recipe.model.lora is None:
        raise InputError(
            "model.quantization: weights in 4 bits cannot train; set model.lora to train an adapter on them, or set "
            "model.quantization=none"
        )
    if quantized and spread.sharded:
        raise InputError(
            "model.quantization: weights in 4 bits cannot be sharded; set train.accelerate_config=ddp, which gives "
            "each process all of them, or model.quantization=none"
        )
    if (quantized or recipe.train.optimizer == "adamw_8bit") and find_spec(BITSANDBYTES) is None:
        raise MissingExtra(BITSANDBYTES, BITSANDBYTES)


def load_policy(recipe: Recipe, model: str, base: str, spread: Spread, device: torch.device) -> PreTrainedModel:
    """The weights to train on `device`, or this process' part of them: all in fp32, or the base with a fp32 adapter.

    `model` is where training starts: full weights, or an adapter folder whose weights fill the fresh adapter.
    `stages.train.checks` has checked that they fit the recipe.
    """
    if recipe.model.lora is None:
        return _loaded(recipe, model, "float32", spread, device, lambda full: unfrozen(full, recipe.train.freeze))
    return _loaded(recipe, base, frozen_dtype(recipe), spread, device, lambda full: _adapted(full, recipe, model))


def load_reference(recipe: Recipe, model: str, spread: Spread, device: torch.device) -> PreTrainedModel:
    """A frozen model that KL is measured to, on `device`, or this process' part of it."""

    def frozen(full: PreTrainedModel) -> PreTrainedModel:
        found: PreTrainedModel = (with_saved_adapter(full, model) if vlm.is_adapter(model) else full).eval()
        return found.requires_grad_(False)

    base = vlm.base_of_adapter(model, recipe.model) if vlm.is_adapter(model) else model
    return _loaded(recipe, base, frozen_dtype(recipe), spread, device, frozen)


def _loaded(
    recipe: Recipe,
    place: str,
    dtype: str,
    spread: Spread,
    device: torch.device,
    prepare: Callable[[PreTrainedModel], PreTrainedModel],
) -> PreTrainedModel:
    """A full model, prepared, on the device or sharded."""
    if not spread.sharded:
        return prepare(vlm.load_model(place, recipe.model, dtype, device))
    from stages.train.sharding import load_hollow, shard

    hollow = load_hollow(place, recipe.model, dtype)
    model = prepare(hollow.model)
    shard(model, spread, device, bf16=uses_bf16(recipe), weights=hollow.weights)
    return model


def _adapted(full: PreTrainedModel, recipe: Recipe, start: str) -> PreTrainedModel:
    """`full`, frozen, with an adapter that trains."""
    lora = recipe.model.lora
    assert lora is not None
    policy = with_adapter(full.requires_grad_(False), lora, recipe.seed)
    for weight in trainable(policy).values():  # the adapter's: PEFT freezes all else
        weight.data = weight.data.float()
    if vlm.is_adapter(start):
        fill_adapter(policy, start, lora)
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


def trainable(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The weights that train, by name; tied ones once."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
