"""The training state of weights that FSDP 2 has sharded over two processes is that of whole ones."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest
import torch

from stages.train.state import FORMAT, StateInfo, load_moments, load_weights, snapshot, write_state

INFO = StateInfo(FORMAT, "id", "trl", "full", 1, 1, 0)


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Linear(5, 3))


def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(torch.linspace(-1, 1, 12).reshape(2, 6)).square().mean().backward()
    optimizer.step()


def on_rank(rank: int, port: int, folder: Path) -> None:
    """Go on from the state in `whole-1` with sharded weights; write the state after."""
    from torch.distributed.fsdp import fully_shard

    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    torch.distributed.init_process_group("gloo")
    mesh = torch.distributed.init_device_mesh("cpu", (2,))
    model = network()
    load_weights(folder / "whole-1", dict(model.named_parameters()))
    fully_shard(model, mesh=mesh)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    load_moments(folder / "whole-1", dict(model.named_parameters()), optimizer)
    step(model, optimizer)
    write_state(folder / "sharded-2", INFO, snapshot(dict(model.named_parameters()), optimizer), main=rank == 0)
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_a_sharded_step_from_a_state_equals_a_whole_one(tmp_path: Path) -> None:
    from torch.distributed.elastic.utils.distributed import get_free_port

    from tests.train.world import tensors

    model = network()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for number in (1, 2):
        step(model, optimizer)
        write_state(tmp_path / f"whole-{number}", INFO, snapshot(dict(model.named_parameters()), optimizer))
    context, port = multiprocessing.get_context("spawn"), get_free_port()
    processes = [context.Process(target=on_rank, args=(rank, port, tmp_path)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    whole, sharded = tensors(tmp_path / "whole-2"), tensors(tmp_path / "sharded-2")
    assert whole.keys() == sharded.keys()
    for name, value in whole.items():
        torch.testing.assert_close(sharded[name], value, rtol=1e-6, atol=1e-7)
