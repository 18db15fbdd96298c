"""How training processes are started, and on which devices."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.train import run
from stages.train.accelerate_file import WHOLE, Spread
from stages.train.job import Job
from stages.train.launch import command, environment
from stages.train.meeting import Meeting, call
from tests.train.world import LIMITLESS, World, recipe


def test_processes_start_with_the_recipes_devices_and_threads(tmp_path: Path) -> None:
    two = recipe(Path("tiny"), processes=2)
    call = command(two, tmp_path / "socket")
    assert call[call.index("--nproc_per_node") + 1] == "2"
    assert call[call.index("--log-dir") + 1] == os.devnull  # else a kill leaves torchrun's folder behind
    found = environment(two, Spread(gpu_ids="0,3"))
    assert found["ACCELERATE_USE_CPU"] == "true"
    assert found["OMP_NUM_THREADS"] == "1"
    assert found["CUDA_VISIBLE_DEVICES"] == "0,3"
    assert environment(two, WHOLE).get("CUDA_VISIBLE_DEVICES") == os.environ.get("CUDA_VISIBLE_DEVICES")


def test_another_launchers_variables_do_not_reach_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_PORT", "ACCELERATE_USE_DEEPSPEED", "TORCHELASTIC_RUN_ID", "PMI_SIZE"):
        monkeypatch.setenv(name, "1")
        assert name not in environment(recipe(Path("tiny"), processes=2), WHOLE)


def test_a_missing_accelerate_config(played: World, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"accelerate_config: nowhere\.yaml: no such file; the files that come with vz are ddp, fsdp2"
    ):
        run(recipe(played.model, accelerate_config="nowhere.yaml"), played.kept, tmp_path / "out")


def test_one_process_ignores_variables_that_a_launcher_left(
    played: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29511"}
    for name, value in left.items():
        monkeypatch.setenv(name, value)
    # Fails instead of waiting for a second process, were the variables to be read.
    monkeypatch.setattr("torch.distributed.init_process_group", lambda *_, **__: pytest.fail("waits for a process"))
    assert run(recipe(played.model), played.kept, tmp_path / "out").counts["updates"] == 1
    assert {name: os.environ[name] for name in left} == left


def test_fewer_processes_than_asked_for_are_refused() -> None:
    from stages.train.training import make_accelerator

    with pytest.raises(InputError, match=r"train\.processes is 2, but 1 were started"):
        make_accelerator(recipe(Path("tiny"), processes=2))


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
def test_the_importance_ratios_denominator(ratio: str, updates: int, off_policy: bool, sampled: bool) -> None:
    job: Any = SimpleNamespace(recipe=recipe(Path("tiny"), ratio=ratio), off_policy=off_policy)
    assert Job.ratio_is_to_start(job, updates) is sampled


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["full", "lora", "4bit"])
def test_a_gpu_trains_in_bf16_as_a_cpu_does_in_fp32(kind: str, played: World, tmp_path: Path) -> None:
    def on(device: str) -> Recipe:
        made = recipe(played.model, lora=kind != "full", **LIMITLESS)  # 4 bits did not play these rows
        changes = {"device": device, "quantization": "4bit" if kind == "4bit" else "none"}
        return made.model_copy(update={"model": made.model.model_copy(update=changes)})

    cpu, gpu = (run(on(device), played.kept, tmp_path / device).counts for device in ("cpu", "cuda"))
    assert gpu["loss"] == pytest.approx(cpu["loss"], rel=1e-2, abs=1e-3)
    assert gpu["grad_norm"] == pytest.approx(cpu["grad_norm"], rel=0.05)
    assert gpu["logprob_gap_mean"] == pytest.approx(cpu["logprob_gap_mean"], abs=0.05)


def test_processes_meet_however_deep_temporary_files_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path.joinpath(*["deep"] * 30)
    deep.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with Meeting(recipe(Path("tiny"), processes=2)) as meeting:
        line = call(meeting.place)
        assert meeting.accept() is not None
        line.close()
