"""How training is started, and on what."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.train import run
from stages.train.launch import command, environment
from stages.train.rows import Sampling
from tests.train.world import World, recipe


def test_two_processes_are_not_asked_for_with_the_flag_that_starts_one() -> None:
    two = recipe(Path("tiny"), processes=2)
    call = command(two, Path("job.json"))
    assert call[call.index("--num_processes") + 1] == "2"
    assert "--multi_gpu" in call and "--cpu" not in call
    assert environment(two)["ACCELERATE_USE_CPU"] == "true"
    assert environment(two)["OMP_NUM_THREADS"] == "1"


def test_an_accelerate_config_is_passed_along(tmp_path: Path) -> None:
    config = tmp_path / "fsdp.yaml"
    config.touch()
    call = command(recipe(Path("tiny"), processes=2, accelerate_config=str(config)), Path("job.json"))
    assert call[call.index("--config_file") + 1] == str(config)
    assert "--multi_gpu" not in call


def test_an_accelerate_config_that_is_not_there(played: World, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"accelerate_config: nowhere\.yaml: no such file"):
        run(recipe(played.model, accelerate_config="nowhere.yaml"), played.kept, tmp_path / "out")


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
