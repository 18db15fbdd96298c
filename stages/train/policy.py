"""The policy as it trains, and the KL reference: which weights, in which precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from stages.core import vlm
from stages.core.errors import InputError, MissingExtra
from stages.core.recipe import Recipe
from stages.core.vlm.loading import BITSANDBYTES, with_saved_adapter
from stages.train.adapter import check_adapter, check_base, fill_adapter, with_adapter

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from stages.train.accelerate_file import Spread

AdapterWeights = Mapping[str, "torch.Tensor"]  # by the names of the weights that train


def is_on_gpu(recipe: Recipe) -> bool:
    """Whether the recipe trains on a GPU of this machine."""
    return vlm.device_of(recipe.model).type == "cuda"


def uses_bf16(recipe: Recipe) -> bool:
    """Whether arithmetic uses bf16 autocast (weights that train still stay fp32)."""
    return is_on_gpu(recipe) if recipe.train.precision == "auto" else recipe.train.precision == "bf16"


def frozen_dtype(recipe: Recipe) -> str:
    """Precision of weights that do not train; autocast would round them to it in every product anyway."""
    return "bfloat16" if uses_bf16(recipe) else "float32"


def check_precision(recipe: Recipe, spread: Spread) -> None:
    """`InputError` for 4-bit weights that cannot train or be sharded, and without the package for low precision."""
    quantized = recipe.model.quantization != "none"
    if quantized and recipe.model.lora is None:
        raise InputError(
            "model.quantization: 4-bit weights cannot train; set model.lora to train an adapter on them, or set "
            "model.quantization=none"
        )
    if quantized and spread.sharded:
        raise InputError(
            "model.quantization: 4-bit weights cannot be sharded; set train.accelerate_config=ddp, which gives "
            "each process all of them, or model.quantization=none"
        )
    if (quantized or recipe.train.optimizer == "adamw_8bit") and find_spec(BITSANDBYTES) is None:
        raise MissingExtra(BITSANDBYTES, BITSANDBYTES)


def load_policy(recipe: Recipe, model: str, base: str, spread: Spread, device: torch.device) -> PreTrainedModel:
    """The weights to train on `device`, or this process's part of them: all in fp32, or the base with a fp32 adapter.

    `model` is where training starts: full weights, or an adapter folder whose weights fill the new adapter.
    `stages.train.checks` has checked that they fit the recipe.
    """
    if recipe.model.lora is None:
        return _loaded(recipe, model, "float32", spread, device, lambda full: unfrozen(full, recipe.train.freeze))
    return _loaded(recipe, base, frozen_dtype(recipe), spread, device, lambda full: _adapted(full, recipe, model))


def load_reference(recipe: Recipe, model: str, spread: Spread, device: torch.device) -> PreTrainedModel:
    """A frozen model that KL is measured to, on `device`, or this process's part of it."""

    def frozen(full: PreTrainedModel) -> PreTrainedModel:
        found: PreTrainedModel = (with_saved_adapter(full, model) if vlm.is_adapter(model) else full).eval()
        return found.requires_grad_(False)

    base = vlm.base_of_adapter(model, recipe.model) if vlm.is_adapter(model) else model
    return _loaded(recipe, base, frozen_dtype(recipe), spread, device, frozen)


def load_anchor(
    recipe: Recipe, place: str, base: str, policy: PreTrainedModel, spread: Spread, device: torch.device
) -> PreTrainedModel | AdapterWeights:
    """What the KL of anchors is measured to: with LoRA only another adapter, if it fits the policy on `base`."""
    if fits_adapter_of(base, place, recipe, spread):
        return load_adapter_beside(policy, place, recipe)
    return load_reference(recipe, place, spread, device)


def fits_adapter_of(policy_base: str, place: str, recipe: Recipe, spread: Spread) -> bool:
    """Whether the adapter in `place` can take the place of the policy's, so that no second base model is needed."""
    if recipe.model.lora is None or spread.sharded or not vlm.is_adapter(place):
        return False
    try:
        check_adapter(place, recipe.model.lora)
        check_base(place, policy_base, recipe.model)
    except InputError:
        return False
    return True


def load_adapter_beside(policy: PreTrainedModel, place: str, recipe: Recipe) -> AdapterWeights:
    """The adapter in `place`, for `adapter_replaced`. The policy keeps its own."""
    lora = recipe.model.lora
    assert lora is not None
    found = {name: weight.detach().clone() for name, weight in trainable(policy).items()}
    with adapter_replaced(policy, found):  # so that the weights go there
        fill_adapter(policy, place, lora)
    return found


@contextmanager
def adapter_replaced(policy: PreTrainedModel, by: AdapterWeights) -> Iterator[None]:
    """In the block, the policy's adapter has the weights `by`, and drops nothing out. No gradient may cross its end."""
    weights, training = trainable(policy), policy.training
    own = {name: weight.data for name, weight in weights.items()}
    policy.eval()
    try:
        for name, weight in weights.items():
            weight.data = by[name]
        yield
    finally:
        for name, weight in weights.items():
            weight.data = own[name]
        policy.train(training)


def _loaded(
    recipe: Recipe,
    place: str,
    dtype: str,
    spread: Spread,
    device: torch.device,
    prepare: Callable[[PreTrainedModel], PreTrainedModel],
) -> PreTrainedModel:
    """A full model after `prepare`, on the device or sharded."""
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
    """`model`, in which all weights train except those of the modules named in `freeze`.

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
