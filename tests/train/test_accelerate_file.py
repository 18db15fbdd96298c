"""Which accelerate files vz follows, and which it refuses, with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.core.errors import InputError
from stages.train.accelerate_file import WHOLE, Spread, find_file, read_spread
from tests.train.world import recipe

FSDP = {"distributed_type": "FSDP", "fsdp_config": {"fsdp_version": 2}}
# As `accelerate config` writes it: settings of features that are off, and of none that decides what is trained.
USUAL = {
    "compute_environment": "LOCAL_MACHINE",
    "debug": False,
    "distributed_type": "FSDP",
    "downcast_bf16": "no",
    "dynamo_config": {"dynamo_backend": "NO"},
    "enable_cpu_affinity": False,
    "fsdp_config": {
        "fsdp_activation_checkpointing": False,
        "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "fsdp_cpu_ram_efficient_loading": True,
        "fsdp_offload_params": False,
        "fsdp_reshard_after_forward": True,
        "fsdp_state_dict_type": "SHARDED_STATE_DICT",
        "fsdp_version": 2,
    },
    "machine_rank": 0,
    "main_training_function": "main",
    "mixed_precision": "bf16",
    "num_machines": 1,
    "num_processes": 2,
    "parallelism_config": {"parallelism_config_tp_size": 1},
    "rdzv_backend": "static",
    "same_network": True,
    "tpu_env": [],
    "tpu_use_cluster": False,
    "use_cpu": False,
}


def spread(body: Any, folder: Path, *, bf16: bool = True) -> Spread:
    file = folder / "accelerate.yaml"
    file.write_text(yaml.safe_dump(body))
    return read_spread(recipe(Path("tiny"), processes=2, accelerate_config=str(file)), bf16=bf16, cuda=True)


def test_without_a_file_every_process_holds_all_weights() -> None:
    assert read_spread(recipe(Path("tiny"), processes=2), bf16=False, cuda=False) == WHOLE


def test_files_that_come_with_vz_are_found_by_name() -> None:
    for name, sharded in (("ddp", False), ("fsdp2", True)):
        named = recipe(Path("tiny"), processes=8, accelerate_config=name)
        assert read_spread(named, bf16=True, cuda=True) == Spread(sharded)
        assert find_file(name).name == f"{name}.yaml"


def test_files_that_accelerate_config_writes_are_accepted(tmp_path: Path) -> None:
    assert spread(USUAL, tmp_path) == Spread(sharded=True)
    kept = {**FSDP, "fsdp_config": {"fsdp_version": 2, "fsdp_reshard_after_forward": False}, "gpu_ids": "0,1"}
    assert spread(kept, tmp_path) == Spread(True, False, "0,1")
    assert spread({"distributed_type": "MULTI_GPU", "fsdp_config": {}}, tmp_path) == WHOLE


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"distributed_type": "DEEPSPEED"}, "distributed_type: DeepSpeed flattens the weights"),
        ({"distributed_type": "MEGATRON_LM"}, "distributed_type: MEGATRON_LM is not supported"),
        ({"distributed_type": "MULTI_GPU"}, "fsdp_config: needs distributed_type: FSDP"),
        ({"deepspeed_config": {"zero_stage": 3}}, "deepspeed_config: DeepSpeed"),
        ({"parallelism_config": {"parallelism_config_tp_size": 2}}, "parallelism_config: tensor, context and sequence"),
        ({"parallelism_config": {"parallelism_config_cp_size": 2}}, "parallelism_config: tensor, context and sequence"),
        ({"num_processes": 4}, "num_processes: train.processes is 2"),
        ({"num_machines": 2}, "num_machines: train.machines is 1; set both to one number"),
        ({"mixed_precision": "fp16"}, "mixed_precision: train.precision resolves to bf16"),
        ({"mixed_precision": "fp8"}, "mixed_precision: train.precision resolves to bf16"),
        ({"fp8_config": {"backend": "TE"}}, "fp8_config: fp8 is not supported"),
        ({"dynamo_config": {"dynamo_backend": "INDUCTOR"}}, "dynamo_config: torch.compile is not supported"),
        ({"use_cpu": True}, "use_cpu: the recipe trains on a GPU"),
        ({"mpirun_config": {"mpirun_hostfile": "h"}}, "mpirun_config: vz does not support this"),
        ({"fsdp_config": {}}, "fsdp_version: FSDP 1 flattens the weights"),
        ({"fsdp_config": {"fsdp_version": 1}}, "fsdp_version: FSDP 1 flattens the weights"),
        ({"fsdp": {"offload_params": True}}, "fsdp_offload_params: vz keeps the weights on the GPU"),
        ({"fsdp": {"activation_checkpointing": True}}, "fsdp_activation_checkpointing: train.gradient_checkpointing"),
        ({"fsdp": {"auto_wrap_policy": "NO_WRAP"}}, "fsdp_auto_wrap_policy: vz wraps the layers"),
        ({"fsdp": {"auto_wrap_policy": "SIZE_BASED_WRAP"}}, "fsdp_auto_wrap_policy: vz wraps the layers"),
        ({"fsdp": {"transformer_layer_cls_to_wrap": "Layer"}}, "fsdp_transformer_layer_cls_to_wrap: vz wraps"),
        ({"fsdp": {"sharding_strategy": "HYBRID_SHARD"}}, "fsdp_sharding_strategy: weights are sharded over all"),
        ({"fsdp": {"reshard_after_forward": "FULL_SHARD"}}, "fsdp_reshard_after_forward: FSDP 2 takes true or false"),
        ({"fsdp": {"ignored_modules": "lm_head"}}, "fsdp_ignored_modules: every weight is sharded"),
        ({"fsdp": {"new_setting": 3}}, "fsdp_new_setting: vz does not support this"),
    ],
)
def test_unsupported_settings_are_refused_by_name(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    inside = {f"fsdp_{key}": value for key, value in change.pop("fsdp", {}).items()}
    body = {**USUAL, "fsdp_config": {**USUAL["fsdp_config"], **inside}, **change}  # type: ignore[dict-item]
    with pytest.raises(InputError, match=reason) as refused:
        spread(body, tmp_path)
    assert str(tmp_path / "accelerate.yaml") in str(refused.value)


def test_bf16_is_refused_if_the_recipe_computes_in_fp32(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mixed_precision: train\.precision resolves to fp32"):
        spread(USUAL, tmp_path, bf16=False)


def test_a_section_that_is_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fsdp_config: must hold keys with values"):
        spread({"distributed_type": "FSDP", "fsdp_config": [{"fsdp_version": 2}]}, tmp_path)


@pytest.mark.parametrize("text", ["- 1", "a: [", ""])
def test_files_of_another_kind_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(InputError, match=r"x\.yaml: "):
        read_spread(recipe(Path("tiny"), accelerate_config=str(tmp_path / "x.yaml")), bf16=False, cuda=False)
