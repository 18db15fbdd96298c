"""The training state of a run: master weights, Adam moments and the update reached, in one folder.

`state.json` identifies the state and its files. `part-*.safetensors` hold `weight/<name>` (fp32), `exp_avg/<name>`,
`exp_avg_sq/<name>` and `step/<name>` of every weight that trains, and the scales of 8-bit moments. `training.json` has
the measures of the updates that led to the state. A state has no random numbers: each update has a seed made from the
run's seed and the update's number. `stages.train.writing` writes states.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, VzError
from stages.core.folder.content import Files, damaged_files
from stages.core.folder.files import read_json
from stages.core.vlm.saving import opened

if TYPE_CHECKING:
    import torch

STATE, UPDATES = "state.json", "training.json"
FORMAT = 1
DAMAGED = "is not as vz wrote it; take another state, or repeat the training that made it"

Named = Iterator[tuple[str, "torch.Tensor"]]


@dataclass(frozen=True)
class StateInfo:
    """The content of `state.json`."""

    format: int
    id: str  # of the whole lineage: rows, settings and the state before
    trainer: str
    kind: str  # full, lora or stub
    updates: int  # optimizer steps of the run so far
    total_updates: int  # that the schedule spans
    seed: int
    files: Files = field(default_factory=dict)  # the others, as they were written; earlier versions recorded none
    adapter: dict[str, Any] = field(default_factory=dict)  # of a lora: what its weights mean; empty if unrecorded


@dataclass(frozen=True)
class Trained:
    """A state, wherever it is, and the measures of the updates that led to it."""

    info: StateInfo
    updates: list[dict[str, Any]]
    seconds: float = 0.0  # that the updates took


class NotFinite(VzError):
    """Weights are broken: the learning rate is too high, or a file from which they were loaded is damaged."""


def is_whole(folder: Path, state_id: str, *, full: bool = False) -> bool:
    """Whether `folder` holds the state `state_id` as it was written; `full` reads every byte of it."""
    try:
        info = read_info(folder)
    except InputError:
        return False
    return info.id == state_id and not damaged_files(folder, info.files, full=full)


def refuse_damaged_state(folder: Path) -> None:
    """`InputError` for the first file of a state that is not as it was written. Reads every byte."""
    for file in damaged_files(folder, read_info(folder).files, full=True):
        raise InputError(f"{file}: {DAMAGED}")


def read_trained(folder: Path) -> Trained:
    """What a state says about itself and about the updates that led to it."""
    updates = read_json(folder / UPDATES).get("updates")
    if not isinstance(updates, list):
        raise InputError(f"{folder / UPDATES}: {DAMAGED}")
    return Trained(read_info(folder), updates)


def read_info(folder: Path) -> StateInfo:
    """`state.json` of a state. `InputError` if there is none, or one of another format."""
    if not (folder / STATE).is_file():
        raise InputError(f"{folder}: has no {STATE}, so it is not a training state; give one that vz train wrote")
    body = read_json(folder / STATE)
    if body.get("format") != FORMAT:
        raise InputError(f"{folder / STATE}: format {body.get('format')}, but this vz reads {FORMAT}; train again")
    try:
        return StateInfo(**body)
    except TypeError as error:  # another name, by a flipped bit
        raise InputError(f"{folder / STATE}: {DAMAGED}") from error


def read_info_of(folder: Path, wanted: str, model: str) -> StateInfo:
    """The same. `InputError` also for a state other than `wanted`, which belongs to `model`."""
    found = read_info(folder)
    if found.id != wanted:
        raise InputError(
            f"{folder}: is the state {found.id}, but {model} belongs to the state {wanted}, which the trainer does not "
            "hold either; continue from the checkpoint whose state it is"
        )
    return found


def read_state(folder: Path) -> Named:
    """Every tensor of a state, on the CPU, one at a time."""
    for part in sorted(folder.glob("part-*.safetensors")):
        with opened(part) as file:
            for name in file.keys():  # noqa: SIM118  (not a dictionary)
                yield name, file.get_tensor(name)


def snapshot(weights: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer | None) -> Named:
    """The tensors of a state from live weights and their optimizer. Gathers shards, so all processes must call it."""
    from stages.train.optimizer import moments_of

    for name, weight in weights.items():
        yield f"weight/{name}", whole(weight.detach())
        for moment, value in (moments_of(optimizer, weight) if optimizer is not None else {}).items():
            yield f"{moment}/{name}", value


def load_weights(folder: Path, weights: dict[str, torch.nn.Parameter]) -> None:
    """Copy a state's weights into live weights or their shards, in the precision of the live ones.

    `InputError` unless every weight is there and fits.
    """
    import torch

    from stages.train.sharding import local, part_of

    missing = set(weights)
    with torch.no_grad():
        for key, value in read_state(folder):
            kind, name = key.split("/", 1)
            if kind != "weight":
                continue
            if name not in weights or weights[name].shape != value.shape:
                raise InputError(
                    f"{folder}: its weight '{name}' does not fit the model; is it the state of another model?"
                )
            local(weights[name]).copy_(local(part_of(value, weights[name])))
            missing.discard(name)
    if missing:
        raise InputError(f"{folder}: lacks the weight '{min(missing)}'; is it another model's state?")


def load_moments(folder: Path, weights: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
    """Give the optimizer the moments of a state, sharded like its weights."""
    from stages.train.optimizer import MOMENTS, set_moments

    with ExitStack() as stack:
        parts = [stack.enter_context(opened(part)) for part in sorted(folder.glob("part-*.safetensors"))]
        places = {key: part for part in parts for key in part.keys()}  # noqa: SIM118  (not a dictionary)
        for name, weight in weights.items():
            keys = {moment: f"{moment}/{name}" for moment in MOMENTS if f"{moment}/{name}" in places}
            if keys:
                set_moments(optimizer, weight, {moment: places[key].get_tensor(key) for moment, key in keys.items()})


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor gathered from its shards, if it has any. All processes must call this."""
    gather = getattr(tensor, "full_tensor", None)  # only a DTensor (FSDP2) has it
    return gather() if gather is not None else tensor
