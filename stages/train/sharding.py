"""Splits a model's weights among the processes of a training, with torch's FSDP 2.

A unit is one layer, as transformers marks them. Its weights are gathered while its forward or backward pass runs. All
other weights (embeddings, head, projector, norms) belong to the root, which is gathered during the whole pass. So the
head can be read anywhere in the pass, tied or not, and its gradient is reduced like all others.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from stages.core.errors import InputError, VzError
from stages.train.accelerate_file import Spread

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def loaded_once(spread: Spread) -> AbstractContextManager[None]:
    """Inside, only the first process reads weights from disk; the others hold zeros until `shard`."""
    from accelerate.utils import patch_environment

    names = ("ACCELERATE_USE_FSDP", "FSDP_CPU_RAM_EFFICIENT_LOADING") if spread.sharded else ()
    found: AbstractContextManager[None] = patch_environment(**dict.fromkeys(names, "true"))
    return found


def shard(model: PreTrainedModel, spread: Spread, device: torch.device, *, bf16: bool) -> None:
    """Give every process its part of the first process's weights, on `device`. All processes must call this.

    With `bf16`, weights are gathered in bf16 and gradients are added up in fp32.
    """
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    trains = any(weight.requires_grad for weight in model.parameters())
    policy = MixedPrecisionPolicy(cast_forward_inputs=False)
    if bf16 and trains:
        policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    reshard = spread.reshard_after_forward or not trains  # a reference has no backward pass to release its weights
    for layer in layers(model):
        _take_from_first(layer, device)
        fully_shard(layer, mesh=mesh, mp_policy=policy, reshard_after_forward=reshard)
    _take_from_first(model, device)
    # The backward pass begins with the root's weights. A reference has none, and releases them.
    fully_shard(model, mesh=mesh, mp_policy=policy, reshard_after_forward=not trains)
    _watch_gradients(model)
    unwrapped: Any = getattr(model, "get_base_model", lambda: model)()
    unwrapped._is_distributed_loading_by_transformers = True  # so that transformers' Trainer does not wrap it


def scatter_again(model: torch.nn.Module) -> None:
    """Release weights that a forward pass without a backward pass left gathered, so that `model` has its shards."""
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def layers(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The outermost layers of language model and vision tower. `InputError` for a model that marks none."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    found: dict[str, torch.nn.Module] = {}
    for name, module in model.named_modules():  # outer ones come first
        inside = any(name.startswith(f"{outer}.") for outer in found)
        if isinstance(module, GradientCheckpointingLayer) and not inside:
            found[name] = module
    if not found:
        raise InputError(f"{type(model).__name__}: marks no layers that could be sharded; train without FSDP")
    return list(found.values())


def _take_from_first(module: torch.nn.Module, device: torch.device) -> None:
    """Copy weights and buffers of the first process to the device, unless they are sharded already."""
    from torch.distributed.tensor import DTensor

    for tensor in chain(module.parameters(), module.buffers()):
        if not isinstance(tensor, DTensor):
            tensor.data = tensor.data.to(device).contiguous()
            dist.broadcast(tensor.data, src=0)


def _watch_gradients(model: torch.nn.Module) -> None:
    """Fail if a gradient reaches a shard directly.

    FSDP adds gradients up over the processes before it hands them to the shards. Autograd itself reaches a shard only
    if the model uses a weight outside the pass of its unit; such a gradient is that of one process.
    """
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            weight.register_hook(partial(_refuse, name))  # type: ignore[no-untyped-call]


def _refuse(name: str, _: torch.Tensor) -> None:
    raise VzError(
        f"the gradient of '{name}' would be that of one process only, because the model uses this weight outside the "
        "layer it belongs to: train this model without FSDP"
    )
