"""The optimizer of a training: AdamW, with moments in fp32, bf16 or 8 bits, on the weights' device or in RAM.

8-bit moments are those of bitsandbytes: codes, and a scale for each block of 256 values. No block crosses a row of a
weight, so the blocks do not depend on how many processes share the weight. Weights whose rows are not made of whole
blocks, and small ones, keep fp32 moments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch.distributed.tensor import DTensor
from torch.optim.adam import adam

from stages.core.errors import require
from stages.core.recipe.train import Train
from stages.core.vlm.loading import BITSANDBYTES
from stages.train.policy import trainable
from stages.train.sharding import local, part_of

if TYPE_CHECKING:
    from types import ModuleType

BLOCK = 256  # values that share a scale, as in bitsandbytes' optimizers
SMALLEST = 4096  # values of a weight with 8-bit moments, as in bitsandbytes
AT_ONCE = 1 << 26  # values of a weight to update at once: 0.5 GiB of fp32 moments
AVERAGES = ("exp_avg", "exp_avg_sq")
SCALE = "_scale"  # ends the names of an average's scales
MOMENTS = (*AVERAGES, *(f"{name}{SCALE}" for name in AVERAGES), "step")

Moments = dict[str, torch.Tensor]


def make_optimizer(policy: torch.nn.Module, train: Train) -> torch.optim.Optimizer:
    """The recipe's optimizer for the weights of `policy` that train. They must be on their device and already sharded.

    Biases, norms and other vectors have no weight decay.
    """
    weights = list(trainable(policy).values())
    groups: list[dict[str, Any]] = [
        {"params": [weight for weight in weights if weight.dim() > 1], "weight_decay": train.weight_decay},
        {"params": [weight for weight in weights if weight.dim() <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    betas = train.adam_beta1, train.adam_beta2
    if train.optimizer == "adamw" and not train.offload_optimizer:
        return torch.optim.AdamW(groups, lr=train.learning_rate, betas=betas, eps=train.adam_epsilon)
    return LeanAdamW(groups, train.learning_rate, betas, train.adam_epsilon, train.optimizer, train.offload_optimizer)


class LeanAdamW(torch.optim.Optimizer):
    """torch's AdamW, on one part of a weight at a time. Only that part's moments are in fp32 on the weight's device.

    `kind` says how moments are stored between steps: in fp32 (`adamw`), in bf16 with random rounding, so that changes
    too small for bf16 add up (`adamw_bf16`), or in 8 bits (`adamw_8bit`). With `offload` they are stored in RAM.
    """

    def __init__(
        self,
        groups: list[dict[str, Any]],
        lr: float,
        betas: tuple[float, float],
        eps: float,
        kind: str,
        offload: bool,
    ) -> None:
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})
        self._kind, self._offload = kind, offload

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group)
        if self._offload and torch.cuda.is_available():
            torch.cuda.synchronize()  # with the copies to RAM

    def _update(self, weight: torch.Tensor, group: dict[str, Any]) -> None:
        values, gradient = _rows(weight), _rows(weight.grad)
        state = self.state[weight] or self.begin(weight)
        for part in _parts(values):
            averages = [_read(state, name, part, values.device) for name in AVERAGES]
            adam(
                [values[part]],
                [gradient[part]],
                [averages[0]],
                [averages[1]],
                [],
                [state["step"].clone()],  # which `adam` advances
                amsgrad=False,
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                lr=group["lr"],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                maximize=False,
                decoupled_weight_decay=True,
            )
            for name, average in zip(AVERAGES, averages, strict=True):
                _write(state, name, part, average)
        state["step"] += 1

    def begin(self, weight: torch.Tensor) -> Moments:
        """Set the moments of a weight's shard to 0."""
        shard, dtype = local(weight), self.dtype_of(weight)
        state: Moments = self.state[weight]
        state["step"] = torch.zeros(())
        for name in AVERAGES:
            state[name] = self._zeros(tuple(shard.shape), dtype, shard.device)
            if dtype is torch.uint8:
                blocks = (shard.shape[0], weight.shape[1:].numel() // BLOCK)
                state[f"{name}{SCALE}"] = self._zeros(blocks, torch.float32, shard.device)
        return state

    def dtype_of(self, weight: torch.Tensor) -> torch.dtype:
        """The type in which the moments of a weight are stored; `uint8` for codes."""
        if self._kind == "adamw_bf16":
            return torch.bfloat16
        in_blocks = weight.numel() >= SMALLEST and weight.shape[1:].numel() % BLOCK == 0
        return torch.uint8 if self._kind == "adamw_8bit" and in_blocks else torch.float32

    def _zeros(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        if not self._offload:
            return torch.zeros(shape, dtype=dtype, device=device)
        return torch.zeros(shape, dtype=dtype, pin_memory=device.type == "cuda")  # copies from pinned memory are fast


def moments_of(optimizer: torch.optim.Optimizer, weight: torch.Tensor) -> Moments:
    """A weight's moments, by their names in `MOMENTS`; none before its first update. All processes must call this."""
    state: Moments = optimizer.state.get(weight, {})
    return {name: _gathered(state[name], weight) for name in MOMENTS if name in state}


@torch.no_grad()
def set_moments(optimizer: torch.optim.Optimizer, weight: torch.Tensor, found: Mapping[str, torch.Tensor]) -> None:
    """Give a weight the moments that `moments_of` returned, sharded and stored as this optimizer does it.

    Their bytes do not change if the optimizer that they come from stored them in the same way.
    """
    if not isinstance(optimizer, LeanAdamW):
        state = {name: part_of(_decoded(found, name).to(weight.device), weight) for name in AVERAGES}
        optimizer.state[weight].update(state, step=found["step"])
        return
    dtype, own = optimizer.dtype_of(weight), optimizer.begin(weight)
    own["step"].copy_(found["step"])
    for name in AVERAGES:
        if found[name].dtype == dtype:
            held = {key: found[key] for key in (name, f"{name}{SCALE}") if key in found}
        else:
            held = _encoded(_decoded(found, name), name, dtype)
        for key, value in held.items():
            own[key].copy_(local(part_of(value, weight)))


def _read(state: Moments, name: str, part: slice, device: torch.device) -> torch.Tensor:
    """The rows `part` of a moment in fp32 on `device`: the moment itself if it is stored like this."""
    held = _vector_or_more(state[name])[part].to(device, non_blocking=True)
    if held.dtype is torch.uint8:
        return _dequantized(held, state[f"{name}{SCALE}"][part].to(device, non_blocking=True), name)
    return held.float()


def _write(state: Moments, name: str, part: slice, average: torch.Tensor) -> None:
    """Store the rows `part` of a moment as the state does."""
    held = _vector_or_more(state[name])[part]
    if held.dtype is torch.bfloat16:
        average = _rounded_at_random(average)
    for key, value in _encoded(average, name, held.dtype).items():
        _vector_or_more(state[key])[part].copy_(value, non_blocking=True)


def _encoded(average: torch.Tensor, name: str, dtype: torch.dtype) -> Moments:
    """A moment as it is stored in `dtype`. For codes, this includes the scales."""
    if dtype is not torch.uint8:
        return {name: average.to(dtype)}
    codes, form = _bitsandbytes().quantize_blockwise(average.contiguous(), _map(name, average.device), blocksize=BLOCK)
    return {name: codes, f"{name}{SCALE}": form.absmax.view(average.shape[0], -1)}


def _decoded(found: Mapping[str, torch.Tensor], name: str) -> torch.Tensor:
    held = found[name]
    return _dequantized(held, found[f"{name}{SCALE}"], name) if held.dtype is torch.uint8 else held.float()


def _dequantized(codes: torch.Tensor, scale: torch.Tensor, name: str) -> torch.Tensor:
    found: torch.Tensor = _bitsandbytes().dequantize_blockwise(
        codes.contiguous(), absmax=scale.flatten(), code=_map(name, codes.device), blocksize=BLOCK
    )
    return found


def _bitsandbytes() -> ModuleType:
    library: ModuleType = require(BITSANDBYTES, BITSANDBYTES).functional
    return library


@lru_cache
def _map(name: str, device: torch.device) -> torch.Tensor:
    """The values that codes stand for: with both signs for the first moment, with one sign for the second."""
    values: torch.Tensor = _bitsandbytes().create_dynamic_map(signed=name == "exp_avg")
    return values.to(device)


def _rounded_at_random(values: torch.Tensor) -> torch.Tensor:
    """`values` in bf16, rounded up or down with the probabilities that keep the mean."""
    bits = values.contiguous().view(torch.int32)
    return ((bits + torch.randint_like(bits, 1 << 16)) & -(1 << 16)).view(torch.float32).bfloat16()


def _vector_or_more(value: torch.Tensor) -> torch.Tensor:
    """A view of `value` that has rows."""
    return value if value.dim() > 0 else value.view(1)


def _rows(weight: torch.Tensor | None) -> torch.Tensor:
    """A weight's shard, or its gradient's."""
    assert weight is not None
    return _vector_or_more(local(weight.detach()))


def _parts(values: torch.Tensor) -> Iterator[slice]:
    """Rows of `values`, about `AT_ONCE` values at a time."""
    size = max(1, AT_ONCE // max(1, values.shape[1:].numel()))
    for start in range(0, values.shape[0], size):
        yield slice(start, start + size)


def _gathered(value: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """The whole of a moment that is sharded like its weight."""
    if isinstance(weight, DTensor) and not isinstance(value, DTensor) and value.dim() > 0:
        whole = torch.empty(weight.shape[0], *value.shape[1:], device="meta")
        mesh, placements = weight.device_mesh, weight.placements
        value = value.to(mesh.device_type)
        value = DTensor.from_local(value, mesh, placements, run_check=False, shape=whole.shape, stride=whole.stride())
    return value.full_tensor() if isinstance(value, DTensor) else value
