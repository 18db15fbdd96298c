"""AdamW with small moments, and with moments in RAM: against torch's and bitsandbytes' own, and across states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bitsandbytes
import pytest
import torch

from stages.core.recipe.train import Train
from stages.train.optimizer import LeanAdamW, make_optimizer
from stages.train.state import FORMAT, StateInfo, Trained, load_moments, load_weights, snapshot
from stages.train.writing import write_state
from tests.train.world import tensors

STATE = Trained(StateInfo(FORMAT, "id", "trl", "full", 1, 1, 0), [])
SETTINGS = {"learning_rate": 0.01, "weight_decay": 0.1}

on_each_device = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])


def network(device: str = "cpu") -> torch.nn.Sequential:
    """Weights of whole blocks, of broken ones, vectors, and a scalar."""
    torch.manual_seed(0)
    made = torch.nn.Sequential(torch.nn.Linear(256, 24), torch.nn.Linear(24, 3))
    made.register_parameter("scale", torch.nn.Parameter(torch.tensor(1.5)))
    return made.to(device)


def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, number: int) -> None:
    torch.manual_seed(number)  # as training seeds each update
    optimizer.zero_grad()
    (model(torch.randn(8, 256).to(model.scale.device)).square().mean() * model.scale).backward()
    optimizer.step()


def trained(steps: int, device: str = "cpu", **settings: Any) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = network(device)
    optimizer = make_optimizer(model, Train(**SETTINGS, **settings))
    for number in range(steps):
        step(model, optimizer, number)
    return model, optimizer


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.train.optimizer.AT_ONCE", 5 * 256)  # the last part is a short one


@on_each_device
def test_moments_in_ram_give_the_same_numbers(in_parts: None, device: str) -> None:
    whole, _ = trained(4, device)
    offloaded, optimizer = trained(4, device, offload_optimizer=True)
    assert isinstance(optimizer, LeanAdamW)
    assert {value.device.type for state in optimizer.state.values() for value in state.values()} == {"cpu"}
    for name, weight in whole.named_parameters():
        torch.testing.assert_close(weight, offloaded.get_parameter(name), rtol=0 if device == "cpu" else 1e-6, atol=0)


@pytest.mark.gpu
def test_moments_in_ram_take_little_of_a_gpu() -> None:
    """400 million weights: 3 GiB of moments, of which half a gibibyte is on the GPU at a time."""
    weight = torch.nn.Parameter(torch.zeros(100_000, 4096, device="cuda"))
    weight.grad = torch.ones_like(weight)
    optimizer = LeanAdamW([{"params": [weight]}], 1e-3, (0.9, 0.999), 1e-8, "adamw", True)
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    optimizer.step()
    assert torch.cuda.memory_allocated() == before
    assert torch.cuda.max_memory_allocated() - before < 1.5 * 2**30


@on_each_device
def test_moments_in_8_bits_are_those_of_bitsandbytes(in_parts: None, device: str) -> None:
    model, other = network(device)[0].weight, network(device)[0].weight
    groups = [{"params": [model], "weight_decay": 0.1}]
    ours = LeanAdamW(groups, 0.01, (0.9, 0.999), 1e-8, "adamw_8bit", False)
    theirs = bitsandbytes.optim.AdamW8bit([other], lr=0.01, weight_decay=0.1)
    for number in range(5):
        torch.manual_seed(number)
        model.grad = torch.randn_like(model)
        other.grad = model.grad.clone()
        ours.step()
        theirs.step()
    assert ours.state[model]["exp_avg"].dtype is torch.uint8
    torch.testing.assert_close(model, other, rtol=1e-5, atol=1e-6)
    for name, key in (("exp_avg_scale", "absmax1"), ("exp_avg_sq_scale", "absmax2")):
        torch.testing.assert_close(ours.state[model][name].flatten(), theirs.state[other][key], rtol=1e-5, atol=0)


@pytest.mark.parametrize("kind", ["adamw_bf16", "adamw_8bit"])
def test_small_moments_train_nearly_alike(kind: str) -> None:
    """40 steps: weights end within a tenth of the way that they went."""
    whole, _ = trained(40)
    small, _ = trained(40, optimizer=kind)
    for name, start in network().named_parameters():
        way = (whole.get_parameter(name) - start).norm()
        assert (small.get_parameter(name) - whole.get_parameter(name)).norm() < 0.1 * way, name


def test_bf16_moments_keep_small_changes() -> None:
    """Rounding to the nearest bf16 would leave a second moment of 1 at 1: its steps are below bf16's precision."""
    weight = torch.nn.Parameter(torch.zeros(4096))
    optimizer = LeanAdamW([{"params": [weight]}], 0.0, (0.9, 0.999), 1e-8, "adamw_bf16", False)
    optimizer.begin(weight)["exp_avg_sq"].fill_(1.0)
    weight.grad = torch.zeros_like(weight)
    torch.manual_seed(0)
    for _ in range(100):
        optimizer.step()
    assert optimizer.state[weight]["exp_avg_sq"].float().mean().item() == pytest.approx(0.999**100, rel=2e-3)


@on_each_device
@pytest.mark.parametrize("offload", [False, True])
@pytest.mark.parametrize("kind", ["adamw", "adamw_bf16", "adamw_8bit"])
def test_going_on_from_a_state_equals_one_run(kind: str, offload: bool, device: str, tmp_path: Path) -> None:
    settings = {"optimizer": kind, "offload_optimizer": offload}
    model, optimizer = trained(2, device, **settings)
    write_state(tmp_path / "state", STATE, snapshot(dict(model.named_parameters()), optimizer))
    later = network(device)
    load_weights(tmp_path / "state", dict(later.named_parameters()))
    again = make_optimizer(later, Train(**SETTINGS, **settings))
    load_moments(tmp_path / "state", dict(later.named_parameters()), again)
    for number in (2, 3):
        step(model, optimizer, number)
        step(later, again, number)
    for name, weight in model.named_parameters():
        assert torch.equal(weight, later.get_parameter(name)), name
    for name, folder in (("whole", (model, optimizer)), ("again", (later, again))):
        write_state(tmp_path / name, STATE, snapshot(dict(folder[0].named_parameters()), folder[1]))
    whole = tensors(tmp_path / "whole")
    assert all(torch.equal(value, whole[key]) for key, value in tensors(tmp_path / "again").items())


def test_another_optimizer_takes_over_the_moments(tmp_path: Path) -> None:
    """From 8 bits to fp32, to bf16 and back to 8 bits: moments stay within what 8 bits and bf16 lose."""
    model, optimizer = trained(3, optimizer="adamw_8bit")
    weights = dict(model.named_parameters())
    write_state(tmp_path / "adamw_8bit", STATE, snapshot(weights, optimizer))
    before = "adamw_8bit"
    for kind in ("adamw", "adamw_bf16"):
        following = make_optimizer(model, Train(**SETTINGS, optimizer=kind))
        load_moments(tmp_path / before, weights, following)
        write_state(tmp_path / kind, STATE, snapshot(weights, following))
        before = kind
    last = make_optimizer(model, Train(**SETTINGS, optimizer="adamw_8bit"))
    load_moments(tmp_path / "adamw_bf16", weights, last)
    first, end = optimizer.state[model[0].weight], last.state[model[0].weight]
    assert first["step"] == end["step"] == 3
    torch.testing.assert_close(end["exp_avg_scale"], first["exp_avg_scale"], rtol=0.01, atol=0)
    assert (end["exp_avg"].int() - first["exp_avg"].int()).abs().max() <= 1
