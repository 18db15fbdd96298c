"""What a recipe needs on a machine, whether it fits, and whether the remedies that are named work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from stages import train
from stages.core.errors import InputError
from stages.core.estimate import machine
from stages.core.estimate.forecast import Forecast
from stages.core.estimate.machine import GIB, Machine, described
from stages.core.recipe import load
from stages.core.vlm.size import size_of
from tests.core.estimate.configs import qwen_7b

BILLION = 10**9


@pytest.fixture(scope="module")
def seven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the config.json of Qwen2.5-VL-7B."""
    return qwen_7b(tmp_path_factory.mktemp("seven"))


ONE = ("train.processes=1", "train.accelerate_config=null")


def on(machine: Machine, recipe: str, model: Path, *settings: str) -> Forecast:
    return train.estimate(load(recipe, [f"model.path={model}", *settings]), machine)


def h100(number: int = 1) -> Machine:
    return described("H100", None, number)


def test_all_weights_of_7b_need_16_bytes_each_and_do_not_fit_one_gpu(seven: Path):
    found = on(h100(), "paper", seven, *ONE)
    held = sum(found.training.terms[name] for name in ("weights", "gradients", "optimizer"))
    assert held == 16 * 8_292_166_656 and found.training.stays["reference"] == 2 * 8_292_166_656
    with pytest.raises(InputError, match=r"training needs 1\d\d\.\d GiB, and each GPU has 80\. What fits"):
        found.require_fit()


def test_anchors_to_another_adapter_need_a_second_base_only_where_weights_are_sharded(seven: Path):
    anchors = ("filter.inactive_phase=anchor", "train.anchor_to=switch")
    whole = on(h100(), "lora", seven, *ONE, *anchors).training.stays
    assert whole["reference"] == on(h100(), "lora", seven, *ONE).training.stays["reference"] == 0
    sharded = on(h100(2), "lora", seven, "train.processes=2", "train.accelerate_config=fsdp2", *anchors).training.stays
    assert sharded["reference"] == pytest.approx(sharded["weights"], rel=0.1)


def test_every_remedy_that_is_named_fits(seven: Path):
    found = on(h100(), "paper", seven, *ONE)
    with pytest.raises(InputError) as error:
        found.require_fit()
    advice = str(error.value).split("same estimate: ")[1].split("; or ")
    assert len(advice) >= 2
    for each in advice:
        number = int(match[1]) if (match := re.match(r"(\d+) such GPUs", each)) else 1
        assert on(h100(number), "paper", seven, *ONE, *re.findall(r"--set (\S+)", each)).fits


def test_the_recipes_fit_the_gpus_that_the_page_on_hardware_names(seven: Path):
    for gigabytes, recipe in ((24, "qlora"), (48, "lora"), (80, "lora")):
        assert on(described(None, gigabytes, 1), recipe, seven).faults == ()
    eight = on(h100(8), "paper", seven)
    assert eight.fits and eight.training.stays["optimizer"] == 8_292_166_656


def test_more_processes_or_copies_than_gpus_do_not_fit(seven: Path):
    found = on(h100(2), "paper", seven, "rollout.vllm.data_parallel=4")
    assert [fault.split()[0] for fault in found.faults] == ["training:", "rollout.vllm"]


def test_a_share_that_leaves_vllm_no_cache_is_a_fault_with_a_share_that_works(seven: Path):
    few = ["rollout.engine=vllm", "rollout.vllm.gpu_memory=0.2"]
    (fault,) = on(h100(), "lora", seven, *few).faults
    share = re.search(r"set it to (0\.\d+) or more", fault)
    assert share is not None
    assert on(h100(), "lora", seven, few[0], f"rollout.vllm.gpu_memory={share[1]}").fits


def test_lean_optimizers_need_fewer_bytes(seven: Path):
    def optimizer(*settings: str) -> int:
        return on(h100(), "paper", seven, *ONE, *settings).training.stays["optimizer"]

    whole = optimizer()
    assert optimizer("train.optimizer=adamw_bf16") == whole / 2
    assert optimizer("train.optimizer=adamw_8bit") == pytest.approx(whole / 4, rel=0.02)
    assert optimizer("train.offload_optimizer=true") == 0


def test_frozen_parts_have_no_gradients(seven: Path):
    found = on(h100(), "paper", seven, *ONE, "train.freeze=[visual]")
    tower = size_of(seven, found.recipe.model, ["visual"]).frozen
    assert 0.6 * BILLION < tower < 0.7 * BILLION
    assert found.training.terms["gradients"] == 4 * (8_292_166_656 - tower)


def test_a_round_takes_longer_on_a_slower_card_and_shorter_on_more_cards(seven: Path):
    def seconds(machine: Machine, *more: str) -> float:
        return on(machine, "paper", seven, *more).seconds.round

    assert seconds(described("A100 80GB", None, 8)) > 2 * seconds(h100(8))
    assert 4 < seconds(h100(), *ONE) / seconds(h100(8)) <= 8.5


def test_what_a_preflight_measured_replaces_the_table(seven: Path):
    found = on(h100(), "lora", seven)
    short, long = (found.after_preflight(60.0, tokens, tokens) for tokens in (50, 400))
    assert short["training_round_seconds"] < long["training_round_seconds"]
    assert short["run_seconds"] == pytest.approx(100 * (60 + short["training_round_seconds"]), rel=0.01)


def test_a_machine_elsewhere_is_named_by_card_or_memory():
    assert described("a100 80gb", None, None).memory == 80 * GIB
    assert described(None, 24, 4).name == "4 × 24 GB, as fast as RTX 4090"
    assert described("H100", 94, 1).memory == 94 * GIB
    with pytest.raises(InputError, match="not one of B200"):
        described("GTX 1", None, 1)
    with pytest.raises(InputError, match="--gpu H100, or --gpu-memory 80"):
        described(None, None, 8)


def test_memory_at_hand_is_checked_before_a_run_writes_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from stages import iterate

    monkeypatch.setattr(
        "stages.core.estimate.machine.found_here", lambda recipe: Machine("small", 0, 1 << 20, 1e9, 1e9)
    )
    with pytest.raises(InputError, match=r"small: training needs .* GiB, and this machine has 0"):
        iterate.run(load("tiny"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_processor_is_tried_in_the_precision_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(machine, "_seconds", lambda work, threads: tried.append(work().dtype) or 1.0)
    for precision, dtype in (("auto", torch.float32), ("bf16", torch.bfloat16)):
        tried.clear()
        machine.found_here(load("tiny", [f"train.precision={precision}"]))
        assert tried[0] == dtype
