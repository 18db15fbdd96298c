"""The accelerate file that `train.accelerate_config` names: how it spreads weights, or why vz refuses it.

vz reads the file itself. The file decides how weights are spread over the processes, and the recipe decides all else.
vz refuses a setting that it cannot follow, and names it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.core.recipe.load import shared_folder

Rule = tuple[Callable[[Any], bool], str]  # whether vz follows a value, and what to do if not

_REMOVE = "remove the key"
_UNSUPPORTED = f"vz does not support this; {_REMOVE}"
_WRAPS = f"vz wraps the layers that it finds in the model; {_REMOVE}"
_CHECKPOINTING = f"train.gradient_checkpointing decides this; {_REMOVE}"
_DEEPSPEED = "DeepSpeed flattens the weights that the training state carries from round to round; use fsdp2"
_KINDS = ("NO", "MULTI_CPU", "MULTI_GPU", "FSDP")


@dataclass(frozen=True)
class Spread:
    """How weights are spread over the processes."""

    sharded: bool = False  # if not, each process holds all of them
    reshard_after_forward: bool = True  # gather again for the backward pass, instead of keeping the gathered weights
    gpu_ids: str = "all"  # as accelerate's file names them


WHOLE = Spread()  # every process holds all weights


def spread_of(recipe: Recipe) -> Spread:
    """How the recipe spreads weights on this machine."""
    from stages.train.policy import uses_bf16

    return read_spread(recipe, bf16=uses_bf16(recipe), cuda=is_on_gpu(recipe))


def is_on_gpu(recipe: Recipe) -> bool:
    """Whether the recipe trains on a GPU of this machine."""
    import torch

    return recipe.model.device != "cpu" and torch.cuda.is_available()


def find_file(name: str) -> Path:
    """A file by its path, or one that comes with vz by its name."""
    if Path(name).is_file():
        return Path(name)
    folder = shared_folder("recipes") / "accelerate"
    if (folder / f"{name}.yaml").is_file():
        return folder / f"{name}.yaml"
    known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
    raise InputError(f"train.accelerate_config: {name}: no such file; the files that come with vz are {known}")


def read_spread(recipe: Recipe, *, bf16: bool, cuda: bool) -> Spread:
    """What the recipe's accelerate file asks for. `InputError` names a setting that vz cannot follow, and why."""
    if recipe.train.accelerate_config is None:
        return WHOLE
    path = find_file(recipe.train.accelerate_config)
    try:
        body = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a YAML file: {str(error).splitlines()[0]}") from error
    if not isinstance(body, dict):
        raise InputError(f"{path}: not an accelerate file; see recipes/accelerate/fsdp2.yaml for an example")
    kind = str(body.get("distributed_type", "NO")).upper()
    if kind not in _KINDS:
        other = f"{kind} is not supported; use MULTI_GPU, or FSDP with fsdp_version 2"
        raise InputError(f"{path}: distributed_type: {_DEEPSPEED if kind == 'DEEPSPEED' else other}")
    section = body.pop("fsdp_config", None) or {}
    fsdp = {f"fsdp_{str(key).removeprefix('fsdp_')}": value for key, value in section.items() if value is not None}
    _check(path, body, _rules(recipe, bf16=bf16, cuda=cuda))
    if kind != "FSDP":
        if fsdp:
            raise InputError(f"{path}: fsdp_config: needs distributed_type: FSDP")
        return Spread(gpu_ids=str(body.get("gpu_ids") or "all"))
    _check(path, {"fsdp_version": 1, **fsdp}, _FSDP_RULES)
    return Spread(True, fsdp.get("fsdp_reshard_after_forward", True), str(body.get("gpu_ids") or "all"))


def _check(path: Path, settings: dict[str, Any], rules: dict[str, Rule]) -> None:
    """`InputError` for the first setting that its rule refuses. A key without a rule must be unset."""
    for key, value in settings.items():
        follows, reason = rules.get(str(key), (_is_unset, _UNSUPPORTED))
        if value is not None and not follows(value):
            raise InputError(f"{path}: {key}: {reason}")


def _is_unset(value: Any) -> bool:
    """What `accelerate config` writes for a feature that is off."""
    if isinstance(value, dict):
        return all(_is_unset(each) for each in value.values())
    return not value or str(value).lower() in ("no", "none", "1")  # 1: a parallelism over one process


def _one_of(*values: Any) -> Callable[[Any], bool]:
    return lambda value: str(value).upper() in {str(each).upper() for each in values}


def _any(_: Any) -> bool:
    return True


def _rules(recipe: Recipe, *, bf16: bool, cuda: bool) -> dict[str, Rule]:
    processes, precision = recipe.train.processes, "bf16" if bf16 else "no"
    return {
        # accelerate writes these into every file. They do not change what is trained, or vz chooses a free value.
        **dict.fromkeys(
            (
                *("compute_environment", "debug", "main_process_ip", "main_process_port", "main_training_function"),
                *("rdzv_backend", "same_network", "downcast_bf16", "gpu_ids", "distributed_type"),
            ),
            (_any, ""),
        ),
        "deepspeed_config": (_is_unset, _DEEPSPEED),
        "megatron_lm_config": (_is_unset, "Megatron-LM is not supported; use fsdp2"),
        "parallelism_config": (
            _is_unset,
            "tensor, context and sequence parallelism are not supported; use fsdp2",
        ),
        "fp8_config": (_is_unset, "fp8 is not supported; train.precision decides the arithmetic"),
        "dynamo_config": (_is_unset, "torch.compile is not supported; remove the section"),
        "num_processes": (
            lambda value: value == processes,
            f"train.processes is {processes}; set both to one number, or {_REMOVE}",
        ),
        "num_machines": (lambda value: value == 1, "vz trains on one machine; set it to 1"),
        "machine_rank": (lambda value: value == 0, "vz trains on one machine; set it to 0"),
        "mixed_precision": (
            _one_of(False, "no", precision),  # YAML reads a bare `no` as false
            f"train.precision resolves to {'bf16' if bf16 else 'fp32'}; change it, or {_REMOVE}",
        ),
        "use_cpu": (lambda value: not (value and cuda), f"the recipe trains on a GPU (model.device); {_REMOVE}"),
    }


# FSDP 2 ignores some settings of FSDP 1, and vz writes no checkpoints through accelerate.
_FSDP_RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            *("fsdp_state_dict_type", "fsdp_cpu_ram_efficient_loading", "fsdp_sync_module_states"),
            *("fsdp_use_orig_params", "fsdp_backward_prefetch", "fsdp_forward_prefetch"),
        ),
        (_any, ""),
    ),
    "fsdp_version": (
        lambda value: value == 2,
        "FSDP 1 flattens the weights that the training state carries from round to round; set it to 2",
    ),
    "fsdp_reshard_after_forward": (lambda value: isinstance(value, bool), "FSDP 2 takes true or false"),
    "fsdp_auto_wrap_policy": (_one_of("TRANSFORMER_BASED_WRAP"), _WRAPS),
    "fsdp_transformer_layer_cls_to_wrap": (_is_unset, _WRAPS),
    "fsdp_min_num_params": (_is_unset, _WRAPS),
    "fsdp_sharding_strategy": (_one_of("FULL_SHARD", 1), f"weights are sharded over all processes; {_REMOVE}"),
    "fsdp_ignored_modules": (_is_unset, f"every weight is sharded; {_REMOVE}"),
    "fsdp_offload_params": (
        _is_unset,
        "vz keeps the weights on the GPU; use more processes, or train an adapter (model.lora)",
    ),
    "fsdp_activation_checkpointing": (_is_unset, _CHECKPOINTING),
    "fsdp_activation_checkpointing_offload": (_is_unset, _CHECKPOINTING),
}
