"""The accelerate file that `train.accelerate_config` names: how it spreads weights, or why vz refuses it.

vz reads the file itself. The file decides how weights are spread over the processes, the recipe decides the rest. vz
refuses a setting that it cannot follow, and names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.core.recipe.load import shared_folder
from stages.core.yaml_text import read_yaml
from stages.train.policy import is_on_gpu, uses_bf16

# Keys that change nothing: accelerate writes them into every file, FSDP 2 ignores them, or vz chooses a free value.
_IGNORED = {
    "compute_environment", "debug", "distributed_type", "downcast_bf16", "fsdp_backward_prefetch",
    "fsdp_cpu_ram_efficient_loading", "fsdp_forward_prefetch", "fsdp_state_dict_type", "fsdp_sync_module_states",
    "fsdp_use_orig_params", "gpu_ids", "machine_rank", "main_process_ip", "main_process_port",
    "main_training_function", "rdzv_backend", "same_network",
}  # fmt: skip
# Values that vz follows. All other keys must be unset.
_VALUES: dict[str, list[Any]] = {
    "fsdp_version": [2],
    "fsdp_reshard_after_forward": [True, False],
    "fsdp_auto_wrap_policy": ["TRANSFORMER_BASED_WRAP"],
    "fsdp_sharding_strategy": ["FULL_SHARD", "1", 1],
}
_DEEPSPEED = "DeepSpeed flattens the weights that the training state carries from round to round; use fsdp2"
_WRAPS = "vz wraps the layers that it finds in the model; remove the key"
_CHECKPOINTING = "train.gradient_checkpointing decides this; remove the key"
_ADVICE = {
    "deepspeed_config": _DEEPSPEED,
    "megatron_lm_config": "Megatron-LM is not supported; use fsdp2",
    "parallelism_config": "tensor, context and sequence parallelism are not supported; use fsdp2",
    "fp8_config": "fp8 is not supported; train.precision decides the arithmetic",
    "dynamo_config": "torch.compile is not supported; remove the section",
    "use_cpu": "the recipe trains on a GPU (model.device); remove the key",
    "fsdp_version": "FSDP 1 flattens the weights that the training state carries from round to round; set it to 2",
    "fsdp_reshard_after_forward": "FSDP 2 takes true or false",
    "fsdp_auto_wrap_policy": _WRAPS,
    "fsdp_transformer_layer_cls_to_wrap": _WRAPS,
    "fsdp_min_num_params": _WRAPS,
    "fsdp_sharding_strategy": "weights are sharded over all processes; remove the key",
    "fsdp_ignored_modules": "every weight is sharded; remove the key",
    "fsdp_offload_params": "vz keeps the weights on the GPU; use more processes, or train an adapter (model.lora)",
    "fsdp_activation_checkpointing": _CHECKPOINTING,
    "fsdp_activation_checkpointing_offload": _CHECKPOINTING,
}


@dataclass(frozen=True)
class Spread:
    """How weights are spread over the processes."""

    sharded: bool = False  # if not, each process holds all of them
    reshard_after_forward: bool = True  # gather again for the backward pass, instead of keeping the gathered weights
    gpu_ids: str = "all"  # as accelerate's file names them


WHOLE = Spread()  # every process holds all weights


def spread_of(recipe: Recipe) -> Spread:
    """How the recipe spreads weights."""
    return read_spread(recipe, bf16=uses_bf16(recipe), cuda=is_on_gpu(recipe))


def find_file(name: str) -> Path:
    """A file by its path, or by its name if it comes with vz."""
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
    body = read_yaml(path)
    if not body:
        raise InputError(f"{path}: not an accelerate file; see recipes/accelerate/fsdp2.yaml for an example")
    kind = str(body.get("distributed_type", "NO")).upper()
    if kind not in ("NO", "MULTI_CPU", "MULTI_GPU", "FSDP"):
        other = f"{kind} is not supported; use MULTI_GPU, or FSDP with fsdp_version 2"
        raise InputError(f"{path}: distributed_type: {_DEEPSPEED if kind == 'DEEPSPEED' else other}")
    section = body.pop("fsdp_config", None) or {}
    if not isinstance(section, dict):
        raise InputError(f"{path}: fsdp_config: must hold keys with values; see recipes/accelerate/fsdp2.yaml")
    fsdp = {f"fsdp_{str(key).removeprefix('fsdp_')}": value for key, value in section.items() if value is not None}
    if fsdp and kind != "FSDP":
        raise InputError(f"{path}: fsdp_config: needs distributed_type: FSDP")
    settings = {**body, "fsdp_version": 1, **fsdp} if kind == "FSDP" else body
    _check(path, settings, recipe, bf16, cuda)
    return Spread(kind == "FSDP", fsdp.get("fsdp_reshard_after_forward", True), str(body.get("gpu_ids") or "all"))


def _check(path: Path, settings: dict[str, Any], recipe: Recipe, bf16: bool, cuda: bool) -> None:
    """`InputError` for the first setting that vz cannot follow."""
    processes, machines = recipe.train.processes, recipe.train.machines
    precision = "bf16" if bf16 else "fp32"
    values = {
        **_VALUES,
        "num_processes": [processes],
        "num_machines": [machines],
        "mixed_precision": [False, "no", precision],  # YAML reads a bare `no` as false
        "use_cpu": [False] if cuda else [False, True],
    }
    advice = {
        **_ADVICE,
        "num_processes": f"train.processes is {processes}; set both to one number, or remove the key",
        "num_machines": f"train.machines is {machines}; set both to one number, or remove the key",
        "mixed_precision": f"train.precision resolves to {precision}; change it, or remove the key",
    }
    for key, value in settings.items():
        follows = value in values[key] if key in values else _is_unset(value)
        if key not in _IGNORED and value is not None and not follows:
            raise InputError(f"{path}: {key}: {advice.get(key, 'vz does not support this; remove the key')}")


def _is_unset(value: Any) -> bool:
    """Whether `accelerate config` writes this value for a feature that is off."""
    if isinstance(value, dict):
        return all(_is_unset(each) for each in value.values())
    return not value or str(value).lower() in ("no", "none", "1")  # 1: a parallelism over one process
