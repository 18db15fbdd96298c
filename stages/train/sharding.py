"""Splits a model's weights among the processes of a training, with torch's FSDP 2.

A unit is one layer, as transformers marks layers. Its weights are gathered while its forward or backward pass runs. All
other weights (embeddings, head, projector, norms) belong to the root, which is gathered during the whole pass. So the
head can be read anywhere in the pass, tied or not, and its gradient is reduced like all others.

No process ever holds a whole model: each reads its part of every weight from the files, and sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, distribute_tensor

from stages.core.errors import InputError, VzError
from stages.core.recipe.model import Model as ModelRecipe
from stages.core.vlm.loading import load_part, load_skeleton
from stages.train.accelerate_file import Spread

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Hollow:
    """A model whose weights take no memory, and this process's part of each weight, by name."""

    model: PreTrainedModel
    weights: dict[str, torch.Tensor]


def load_hollow(place: str, recipe: ModelRecipe, dtype: str) -> Hollow:
    """Read a full model, but only this process's part of each weight. All processes must call this."""
    read = load_part(place, recipe, dtype, dist.get_world_size())
    weights = {name: weight.detach() for name, weight in read.named_parameters()}
    model = load_skeleton(place, recipe, dtype)
    _replace(model, lambda name, _: _without_memory(weights[name]))
    for name, module in read.named_modules():  # values that are in no file, such as rotary frequencies
        mine = model.get_submodule(name)
        mine._buffers.update(module._buffers)
        vars(mine).update({key: value for key, value in vars(module).items() if isinstance(value, torch.Tensor)})
    return Hollow(model, weights)


def shard(
    model: PreTrainedModel, spread: Spread, device: torch.device, *, bf16: bool, weights: dict[str, torch.Tensor]
) -> None:
    """Give every process its part of a model's weights, on `device`. All processes must call this.

    `weights` come from a `Hollow`, and are used up. Any other weight must be the same on all processes. With `bf16`,
    weights are gathered in bf16 and gradients are added up in fp32.
    """
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    trains = any(weight.requires_grad for weight in model.parameters())
    policy = MixedPrecisionPolicy(cast_forward_inputs=False)
    if bf16 and trains:
        policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    reshard = spread.reshard_after_forward or not trains  # a reference has no backward pass to release its weights
    _replace(model, lambda name, weight: _on_meta(weight) if _plain(name) in weights else weight)
    for layer in layers(model):
        fully_shard(layer, mesh=mesh, mp_policy=policy, reshard_after_forward=reshard)
    # The backward pass begins with the root's weights. A reference has none, and releases them.
    fully_shard(model, mesh=mesh, mp_policy=policy, reshard_after_forward=not trains)
    _replace(model, lambda name, weight: _filled(weight, weights.pop(_plain(name), None), device))
    _watch_gradients(model)


def local(tensor: torch.Tensor) -> torch.Tensor:
    """This process's part of a tensor; all of it if it is not sharded."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def part_of(value: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """`value`, which has as many rows as `weight`, sharded like it. Sends nothing: every process has all of `value`."""
    if not isinstance(weight, DTensor):
        return value
    part = distribute_tensor(value, weight.device_mesh, weight.placements, src_data_rank=None)
    return part.clone()  # without the memory of the whole


def scatter_again(model: torch.nn.Module) -> None:
    """Release weights that a forward pass without a backward pass left gathered. `model` then has its shards again."""
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def layers(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The outermost layers of the language model and the vision tower. `InputError` for a model that marks none."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    found: dict[str, torch.nn.Module] = {}
    for name, module in model.named_modules():  # outer ones come first
        inside = any(name.startswith(f"{outer}.") for outer in found)
        if isinstance(module, GradientCheckpointingLayer) and not inside:
            found[name] = module
    if not found:
        raise InputError(f"{type(model).__name__}: marks no layers that could be sharded; train without FSDP")
    return list(found.values())


def _replace(model: torch.nn.Module, new: Callable[[str, torch.nn.Parameter], torch.nn.Parameter]) -> None:
    """Replace each parameter by another. Tied ones stay tied."""
    done: dict[torch.nn.Parameter, torch.nn.Parameter] = {}
    for place, module in model.named_modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                if weight not in done:
                    done[weight] = new(f"{place}.{name}", weight)
                module._parameters[name] = done[weight]


def _plain(name: str) -> str:
    """A weight's name without what an adapter adds to it."""
    return name.removeprefix("base_model.model.").replace(".base_layer", "")


def _without_memory(weight: torch.Tensor) -> torch.nn.Parameter:
    """A weight in RAM. PEFT would also put the adapter on the meta device if its weights were there."""
    return torch.nn.Parameter(torch.zeros((), dtype=weight.dtype).expand(weight.shape), requires_grad=False)


def _on_meta(weight: torch.nn.Parameter) -> torch.nn.Parameter:
    """The same for FSDP, which takes no weights without memory of their own."""
    return torch.nn.Parameter(torch.empty(weight.shape, dtype=weight.dtype, device="meta"), weight.requires_grad)


def _filled(weight: torch.nn.Parameter, value: torch.Tensor | None, device: torch.device) -> torch.nn.Parameter:
    """A sharded weight, filled with its value if it comes from a `Hollow`."""
    if value is None:
        return weight
    assert isinstance(weight, DTensor)
    part = local(value if isinstance(value, DTensor) else part_of(value, weight)).to(device)
    mesh, placements, shape = weight.device_mesh, weight.placements, weight.shape
    sharded = DTensor.from_local(part, mesh, placements, run_check=False, shape=shape, stride=weight.stride())
    return torch.nn.Parameter(sharded, weight.requires_grad)


def _watch_gradients(model: torch.nn.Module) -> None:
    """Fail if a gradient reaches a shard directly.

    FSDP adds up the gradients of all processes before it passes them to the shards. Autograd itself reaches a shard
    only if the model uses a weight outside the pass of its unit. Such a gradient comes from one process only.
    """
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            weight.register_hook(partial(_refuse, name))  # type: ignore[no-untyped-call]


def _refuse(name: str, _: torch.Tensor) -> None:
    raise VzError(
        f"the gradient of '{name}' would come from one process only, because the model uses this weight outside the "
        "layer it belongs to: train this model without FSDP"
    )
