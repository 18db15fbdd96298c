"""Splitting a model's weights among the processes of a training, with torch's FSDP 2.

A unit is one layer, as transformers marks them. Its weights are gathered while its forward or backward pass runs. All
other weights (embeddings, head, projector, norms) belong to the root, which is gathered during the whole pass; so the
head may be read from anywhere in it, tied or not, and its gradient is reduced like every other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh

from stages.core.errors import InputError, VzError
from stages.train.accelerate_file import Spread

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_ONLY_FIRST_LOADS = {"ACCELERATE_USE_FSDP": "true", "FSDP_CPU_RAM_EFFICIENT_LOADING": "true"}


@contextmanager
def loaded_once() -> Iterator[None]:
    """Inside, only the first process reads weights from disk; the others hold zeros until `shard`."""
    before = {name: os.environ.get(name) for name in _ONLY_FIRST_LOADS}
    os.environ.update(_ONLY_FIRST_LOADS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def is_first() -> bool:
    """Whether this process reads the weights that the others get."""
    return dist.get_rank() == 0


def shard(model: PreTrainedModel, spread: Spread, device: torch.device, *, bf16: bool) -> None:
    """Give every process its part of the first process' weights, on `device`. All processes must call this.

    With `bf16`, weights are gathered in bf16 and gradients added up in fp32.
    """
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    trains = any(weight.requires_grad for weight in model.parameters())
    policy = MixedPrecisionPolicy(cast_forward_inputs=False)
    if bf16 and trains:
        policy = MixedPrecisionPolicy(torch.bfloat16, torch.float32, cast_forward_inputs=False)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    reshard = spread.reshard_after_forward or not trains  # a reference has no backward pass to give its weights back
    for layer in layers(model):
        _take_from_first(layer, device)
        fully_shard(layer, mesh=mesh, mp_policy=policy, reshard_after_forward=reshard)
    _take_from_first(model, device)
    # The backward pass begins at the root's weights; a reference has none, and gives them back.
    fully_shard(model, mesh=mesh, mp_policy=policy, reshard_after_forward=not trains)
    _watch_gradients(model)
    unwrapped: Any = getattr(model, "get_base_model", lambda: model)()
    unwrapped._is_distributed_loading_by_transformers = True  # transformers' Trainer then leaves its weights alone


def scatter_again(model: torch.nn.Module) -> None:
    """Give back the weights that a pass without a backward pass left gathered; `model` names its shards again."""
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
    """Weights and buffers of the first process, on the device, where they are not sharded yet."""
    from torch.distributed.tensor import DTensor

    for tensor in chain(module.parameters(), module.buffers()):
        if not isinstance(tensor, DTensor):
            tensor.data = tensor.data.to(device).contiguous()
            dist.broadcast(tensor.data, src=0)


def _watch_gradients(model: torch.nn.Module) -> None:
    """Fail where a gradient reaches a shard directly.

    FSDP hands gradients over after adding them up over the processes. Autograd itself reaches a shard only where a
    weight was used outside the pass of its unit; such a gradient is that of one process.
    """
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            weight.register_hook(_refusal(name))  # type: ignore[no-untyped-call]


def _refusal(name: str) -> Callable[[torch.Tensor], None]:
    def refuse(_: torch.Tensor) -> None:
        raise VzError(
            f"the gradient of '{name}' would be that of one process only, because the model uses this weight outside "
            "the layer it belongs to: train this model without FSDP"
        )

    return refuse
