"""How training is started, and on what."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.train import run
from stages.train.accelerate_file import WHOLE
from stages.train.launch import command, environment
from stages.train.rows import Sampling
from tests.train.world import World, recipe


def test_accelerate_is_given_a_file_of_vz_not_the_users_default(tmp_path: Path) -> None:
    two = recipe(Path("tiny"), processes=2)
    call = command(two, WHOLE, tmp_path / "job.json")
    body = yaml.safe_load(Path(call[call.index("--config_file") + 1]).read_text())
    assert body["num_processes"] == 2 and body["distributed_type"] == "MULTI_GPU"
    assert body["use_cpu"] is False  # true would start one process only
    assert environment(two)["ACCELERATE_USE_CPU"] == "true"
    assert environment(two)["OMP_NUM_THREADS"] == "1"


def test_another_launchers_variables_do_not_reach_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_PORT", "ACCELERATE_USE_DEEPSPEED", "TORCHELASTIC_RUN_ID", "PMI_SIZE"):
        monkeypatch.setenv(name, "1")
        assert name not in environment(recipe(Path("tiny"), processes=2))


def test_an_accelerate_config_that_is_not_there(played: World, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"accelerate_config: nowhere\.yaml: no such file; the files that come with vz are ddp, fsdp2"
    ):
        run(recipe(played.model, accelerate_config="nowhere.yaml"), played.kept, tmp_path / "out")


def test_one_process_trains_whatever_a_launcher_left_in_the_environment(
    played: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
    for name, value in left.items():
        monkeypatch.setenv(name, value)
    # Fails instead of waiting for a second process, were the variables to be read.
    monkeypatch.setattr("torch.distributed.init_process_group", lambda *_, **__: pytest.fail("waits for a process"))
    assert run(recipe(played.model), played.kept, tmp_path / "out").counts["updates"] == 1
    assert {name: os.environ[name] for name in left} == left


def test_fewer_processes_than_asked_for_are_refused(tmp_path: Path) -> None:
    from stages.train.training import _configured

    with pytest.raises(InputError, match=r"train\.processes is 2, but 1 were started"):
        _configured(recipe(Path("tiny"), processes=2), Sampling(0.7, 16, {}, None), [range(4)], str(tmp_path))


@pytest.mark.parametrize(
    ("ratio", "updates", "off_policy", "sampled"),
    [
        ("auto", 1, False, False),
        ("auto", 2, False, True),
        ("auto", 1, True, True),
        ("on-policy", 2, True, False),
        ("sampled", 1, False, True),
    ],
)
def test_what_the_importance_ratio_is_against(ratio: str, updates: int, off_policy: bool, sampled: bool) -> None:
    from stages.train.training import ratio_is_to_start

    job: Any = SimpleNamespace(recipe=recipe(Path("tiny"), ratio=ratio), off_policy=off_policy)
    assert ratio_is_to_start(job, updates) is sampled


@pytest.mark.gpu
@pytest.mark.parametrize("lora", [False, True])
def test_a_gpu_trains_in_bf16_as_a_cpu_does_in_fp32(lora: bool, played: World, tmp_path: Path) -> None:
    def on(device: str) -> Recipe:
        made = recipe(played.model, lora=lora)
        return made.model_copy(update={"model": made.model.model_copy(update={"device": device})})

    cpu, gpu = (run(on(device), played.kept, tmp_path / device).counts for device in ("cpu", "cuda"))
    assert gpu["loss"] == pytest.approx(cpu["loss"], rel=1e-2, abs=1e-3)
    assert gpu["grad_norm"] == pytest.approx(cpu["grad_norm"], rel=0.05)
    assert gpu["logprob_gap_mean"] < 0.05
