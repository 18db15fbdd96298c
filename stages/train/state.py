"""The training state of a run: master weights, Adam moments and the update reached, in one folder.

`state.json` names it and its files. `part-*.safetensors` hold `weight/<name>` (fp32), `exp_avg/<name>`,
`exp_avg_sq/<name>` and `step/<name>` of every weight that trains. Random numbers need no place in it: each update draws
from a seed made of the run's seed and the update's number. Written to a hidden sibling and renamed: a kill never leaves
half a state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError
from stages.core.folder.content import Files, outputs, spoilt
from stages.core.folder.files import read_json, write_json

if TYPE_CHECKING:
    import torch

STATE = "state.json"
FORMAT = 1
MOMENTS = ("exp_avg", "exp_avg_sq", "step")
PART_BYTES = 4 << 30  # bounds the memory that writing takes

Named = Iterator[tuple[str, "torch.Tensor"]]


@dataclass(frozen=True)
class StateInfo:
    """What `state.json` says."""

    format: int
    id: str  # of the whole lineage: rows, settings and the state before
    trainer: str
    kind: str  # full, lora
    updates: int  # optimizer steps of the run so far
    total_updates: int  # that the schedule spanned
    seed: int
    files: Files = field(default_factory=dict)  # beside it, as they were written; earlier versions knew none
    adapter: dict[str, Any] = field(default_factory=dict)  # of a lora: what its weights stand for; empty if unrecorded


def is_whole(folder: Path, state_id: str, *, full: bool = False) -> bool:
    """Whether the state `state_id` lies in `folder` as it was written; `full` reads every byte of it."""
    try:
        info = read_info(folder)
    except InputError:
        return False
    return info.id == state_id and not spoilt(folder, info.files, full=full)


def seal(folder: Path, info: StateInfo) -> None:
    """Write `state.json`, which comes last and records the files beside it."""
    write_json(folder / STATE, asdict(replace(info, files=outputs(folder))))


def read_info(folder: Path) -> StateInfo:
    """`state.json` of a state; `InputError` when it is none or of another format."""
    if not (folder / STATE).is_file():
        raise InputError(f"{folder}: holds no {STATE}, so it is no training state; give the folder `train` wrote")
    body = read_json(folder / STATE)
    if body.get("format") != FORMAT:
        raise InputError(f"{folder / STATE}: format {body.get('format')}, but this vz reads {FORMAT}; train anew")
    return StateInfo(**body)


def read_state(folder: Path) -> Named:
    """Every tensor of a state, on the CPU, one at a time."""
    from safetensors import SafetensorError, safe_open

    parts = sorted(folder.glob("part-*.safetensors"))
    for part in parts:
        try:
            with safe_open(part, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118  (not a dictionary)
                    yield name, file.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{part}: not a readable safetensors file ({error}); go on from another state") from error


def snapshot(weights: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer | None) -> Named:
    """The tensors of a state from live weights and their optimizer; shards are gathered, so all processes must call."""
    for name, weight in weights.items():
        yield f"weight/{name}", whole(weight.detach())
        moments = optimizer.state.get(weight, {}) if optimizer is not None else {}
        for moment in MOMENTS:
            if moment in moments:
                yield f"{moment}/{name}", whole(moments[moment])


def write_state(folder: Path, info: StateInfo, tensors: Named, *, main: bool = True) -> None:
    """Write a state to `folder`, which must not exist; other than the main process only takes part in gathering."""
    from safetensors.torch import save_file

    held: dict[str, torch.Tensor] = {}
    parts = 0

    def flush() -> None:
        nonlocal parts
        parts += 1
        save_file(held, folder / f"part-{parts:05d}.safetensors")
        held.clear()

    if main:
        folder.mkdir(parents=True)
    for name, tensor in tensors:
        if not main:
            continue
        held[name] = tensor.cpu().contiguous()
        if sum(value.nbytes for value in held.values()) >= PART_BYTES:
            flush()
    if held:
        flush()
    if main:
        seal(folder, info)


def load_weights(folder: Path, weights: dict[str, torch.nn.Parameter]) -> None:
    """Copy a state's weights into live ones (cast to their precision). Every weight must be there, and fit."""
    import torch

    missing = set(weights)
    with torch.no_grad():
        for key, value in read_state(folder):
            kind, name = key.split("/", 1)
            if kind != "weight":
                continue
            if name not in weights or weights[name].shape != value.shape:
                raise InputError(f"{folder}: its weight '{name}' does not fit the model; is it another model's state?")
            weights[name].copy_(value)
            missing.discard(name)
    if missing:
        raise InputError(f"{folder}: lacks the weight '{min(missing)}'; is it another model's state?")


def load_moments(folder: Path, weights: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
    """Give the optimizer the moments of a state, sharded as its weights are."""
    for key, value in read_state(folder):
        kind, name = key.split("/", 1)
        if kind in MOMENTS and name in weights:
            weight = weights[name]
            optimizer.state[weight][kind] = value if kind == "step" else _like(value, weight)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor gathered from its shards; all processes must call. One that is not sharded is itself."""
    gather = getattr(tensor, "full_tensor", None)  # only a DTensor (FSDP2) has it
    return gather() if gather is not None else tensor


def _like(value: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    value = value.to(weight.device)
    mesh = getattr(weight, "device_mesh", None)
    if mesh is None:
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(weight, DTensor)
    return distribute_tensor(value, mesh, weight.placements)
