"""The accelerate file that `train.accelerate_config` names: what it asks for, or why vz refuses it.

vz reads the file itself. The file decides how weights are spread over the processes, and the recipe decides all else.
A setting that vz cannot follow is refused by name.
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

# accelerate writes these into every file; none has a part in what is trained, or vz chooses a free value itself.
_NEUTRAL = {
    "compute_environment", "debug", "main_process_ip", "main_process_port", "main_training_function", "rdzv_backend",
    "same_network", "downcast_bf16",
}  # fmt: skip
# Settings of FSDP 1 that FSDP 2 has no use for, and forms of checkpoints that vz does not write through accelerate.
_FSDP_NEUTRAL = {
    "version", "reshard_after_forward", "state_dict_type", "cpu_ram_efficient_loading", "sync_module_states",
    "use_orig_params", "backward_prefetch", "forward_prefetch",
}  # fmt: skip
_REFUSED = {
    "deepspeed_config": "DeepSpeed flattens the weights that the training state carries from round to round; use fsdp2",
    "megatron_lm_config": "Megatron-LM is not supported; use fsdp2",
    "parallelism_config": "tensor, context and sequence parallelism are not supported; use fsdp2",
    "fp8_config": "fp8 is not supported; train.precision decides the arithmetic",
    "dynamo_config": "torch.compile is not supported; remove the section",
}
_FSDP_REFUSED = {
    "offload_params": "vz keeps the weights on the GPU; use more processes, or train an adapter (model.lora)",
    "activation_checkpointing": "train.gradient_checkpointing decides this; remove the key",
    "activation_checkpointing_offload": "train.gradient_checkpointing decides this; remove the key",
    "transformer_layer_cls_to_wrap": "vz wraps the layers that it finds in the model; remove the key",
    "min_num_params": "vz wraps the layers that it finds in the model; remove the key",
    "ignored_modules": "every weight is sharded; remove the key",
}


@dataclass(frozen=True)
class Spread:
    """How weights are spread over the processes."""

    sharded: bool = False  # else each process holds all of them
    reshard_after_forward: bool = True  # gather again for the backward pass, instead of keeping the gathered weights
    gpu_ids: str = "all"  # as accelerate's file names them


WHOLE = Spread()  # every process holds all weights


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
    return _File(path, body).spread(recipe, bf16=bf16, cuda=cuda)


@dataclass(frozen=True)
class _File:
    path: Path
    body: dict[str, Any]

    def spread(self, recipe: Recipe, *, bf16: bool, cuda: bool) -> Spread:
        kind = self._kind()
        self._check_keys(recipe, "bf16" if bf16 else "no", cuda)
        gpu_ids = str(self.body.get("gpu_ids") or "all")
        if kind != "FSDP":
            self._refuse_if(bool(self._fsdp()), "fsdp_config", "needs distributed_type: FSDP")
            return Spread(gpu_ids=gpu_ids)
        self._check_fsdp()
        return Spread(True, self._fsdp().get("reshard_after_forward", True), gpu_ids)

    def _kind(self) -> str:
        kind = str(self.body.get("distributed_type", "NO")).upper()
        if kind == "DEEPSPEED":
            raise self._error("distributed_type", _REFUSED["deepspeed_config"])
        if kind not in ("NO", "MULTI_CPU", "MULTI_GPU", "FSDP"):
            raise self._error(
                "distributed_type", f"{kind} is not supported; use MULTI_GPU, or FSDP with fsdp_version 2"
            )
        return kind

    def _check_keys(self, recipe: Recipe, precision: str, cuda: bool) -> None:
        processes = recipe.train.processes
        rules: dict[str, tuple[Callable[[Any], bool], str]] = {
            "num_processes": (
                lambda value: value == processes,
                f"train.processes is {processes}; set both to one number, or remove the key",
            ),
            "num_machines": (lambda value: value == 1, "vz trains on one machine; set it to 1"),
            "machine_rank": (lambda value: value == 0, "vz trains on one machine; set it to 0"),
            "mixed_precision": (
                lambda value: str(value).lower() in ("false", "no", precision),  # YAML reads a bare `no` as false
                f"train.precision resolves to {'fp32' if precision == 'no' else 'bf16'}; change it, or remove the key",
            ),
            "use_cpu": (
                lambda value: not (value and cuda),
                "the recipe trains on a GPU (model.device); remove the key",
            ),
            "distributed_type": (lambda _: True, ""),
            "fsdp_config": (lambda _: True, ""),
            "gpu_ids": (lambda _: True, ""),
        }
        for key, value in self.body.items():
            if key in _NEUTRAL:
                continue
            fits, reason = rules.get(key, (_is_unset, _REFUSED.get(key, "vz does not support this; remove the key")))
            self._refuse_if(value is not None and not fits(value), str(key), reason)

    def _check_fsdp(self) -> None:
        settings = self._fsdp()
        version = settings.get("version", 1)
        self._refuse_if(
            version != 2,
            "fsdp_version",
            f"FSDP {version} flattens the weights that the training state carries from round to round; set it to 2",
        )
        reshard = settings.get("reshard_after_forward", True)
        self._refuse_if(not isinstance(reshard, bool), "fsdp_reshard_after_forward", "FSDP 2 takes true or false")
        policy = str(settings.get("auto_wrap_policy", "TRANSFORMER_BASED_WRAP"))
        self._refuse_if(
            policy != "TRANSFORMER_BASED_WRAP",
            "fsdp_auto_wrap_policy",
            "vz wraps the layers that it finds in the model; remove the key",
        )
        strategy = str(settings.get("sharding_strategy", "FULL_SHARD"))
        self._refuse_if(
            strategy not in ("FULL_SHARD", "1"),
            "fsdp_sharding_strategy",
            "weights are sharded over all processes; remove the key",
        )
        for key, value in settings.items():
            if key not in (*_FSDP_NEUTRAL, "auto_wrap_policy", "sharding_strategy"):
                reason = _FSDP_REFUSED.get(key, "vz does not support this; remove the key")
                self._refuse_if(not _is_unset(value), f"fsdp_{key}", reason)

    def _fsdp(self) -> dict[str, Any]:
        """The settings of FSDP, without the prefix that accelerate lets you leave out."""
        section = self.body.get("fsdp_config") or {}
        return {str(key).removeprefix("fsdp_"): value for key, value in section.items() if value is not None}

    def _refuse_if(self, off: bool, key: str, reason: str) -> None:
        if off:
            raise self._error(key, reason)

    def _error(self, key: str, reason: str) -> InputError:
        return InputError(f"{self.path}: {key}: {reason}")


def _is_unset(value: Any) -> bool:
    """What `accelerate config` writes for a feature that is off."""
    if isinstance(value, dict):
        return all(_is_unset(each) for each in value.values())
    return not value or str(value).lower() in ("no", "none", "1")  # 1: a parallelism over one process
