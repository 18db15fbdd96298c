"""Sharded training gives the state of unsharded training, and gradients that FSDP 2 does not reduce are refused."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from stages.core.errors import InputError, VzError
from stages.core.recipe import Recipe
from stages.core.recipe.train import Train
from stages.train.accelerate_file import Spread
from stages.train.job import Job
from stages.train.live import open_trainer
from stages.train.optimizer import make_optimizer
from stages.train.rows import read_rows
from stages.train.sharding import layers, shard
from stages.train.state import FORMAT, StateInfo, Trained, load_moments, load_weights, snapshot
from stages.train.writing import write_state
from tests.train import world

STATE = Trained(StateInfo(FORMAT, "id", "trl", "full", 1, 1, 0), [])


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(256, 21), torch.nn.Linear(21, 3))


def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(torch.linspace(-1, 1, 512).reshape(2, 256)).square().mean().backward()
    optimizer.step()


OPTIMIZERS = {
    "plain": Train(learning_rate=0.1),
    "small": Train(learning_rate=0.1, optimizer="adamw_8bit", offload_optimizer=True),
}


def on_rank(rank: int, port: int, folder: Path) -> None:
    """Go on from the states after one step with sharded weights; write the states after."""
    from torch.distributed.fsdp import fully_shard

    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    torch.distributed.init_process_group("gloo")
    mesh = torch.distributed.init_device_mesh("cpu", (2,))
    for kind, train in OPTIMIZERS.items():
        model = network()
        load_weights(folder / f"{kind}-1", dict(model.named_parameters()))
        fully_shard(model, mesh=mesh)
        optimizer = make_optimizer(model, train)
        load_moments(folder / f"{kind}-1", dict(model.named_parameters()), optimizer)
        step(model, optimizer)
        after = list(snapshot(dict(model.named_parameters()), optimizer))
        if rank == 0:
            write_state(folder / f"{kind}-sharded", STATE, after)
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_a_sharded_step_from_a_state_equals_an_unsharded_one(tmp_path: Path) -> None:
    from torch.distributed.elastic.utils.distributed import get_free_port

    from tests.train.world import tensors

    for kind, train in OPTIMIZERS.items():
        model = network()
        optimizer = make_optimizer(model, train)
        for number in (1, 2):
            step(model, optimizer)
            write_state(tmp_path / f"{kind}-{number}", STATE, snapshot(dict(model.named_parameters()), optimizer))
    context, port = multiprocessing.get_context("spawn"), get_free_port()
    processes = [context.Process(target=on_rank, args=(rank, port, tmp_path)) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    for kind in OPTIMIZERS:
        whole, sharded = tensors(tmp_path / f"{kind}-2"), tensors(tmp_path / f"{kind}-sharded")
        assert whole.keys() == sharded.keys()
        assert ("exp_avg_scale/0.weight" in whole) == (kind == "small")
        for name, value in whole.items():
            torch.testing.assert_close(sharded[name], value, rtol=1e-6, atol=1e-7, msg=f"{kind} {name}")


@pytest.fixture
def alone() -> Iterator[None]:
    """A group of one process, which shards as several do."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def logits_by(weight: Callable[[torch.nn.Module], torch.Tensor], inside: bool, folder: Path) -> torch.Tensor:
    """Logits of a sharded LLaVA, whose head is applied inside the model's forward pass or after it."""
    from transformers import LlavaForConditionalGeneration

    from tests.train.world import build_llava

    model = LlavaForConditionalGeneration.from_pretrained(build_llava(folder), dtype=torch.float32)
    plain = model.forward

    def forward(ids: torch.Tensor) -> torch.Tensor:
        hidden = model.model(ids).last_hidden_state
        return hidden @ weight(model).T if inside else hidden

    model.forward = forward
    shard(model, Spread(sharded=True), torch.device("cpu"), bf16=False, weights={})
    assert plain is not model.forward and len(layers(model)) == 3  # one of the vision tower, two of the language model
    made = model(torch.tensor([[7, 8, 9]]))
    return made if inside else made @ weight(model).T


def test_a_head_used_inside_the_forward_pass_is_gathered(alone: None, tmp_path: Path) -> None:
    logits_by(lambda model: model.get_output_embeddings().weight, True, tmp_path).sum().backward()


def test_a_gradient_that_bypasses_fsdp_is_refused(alone: None, tmp_path: Path) -> None:
    def gathered(model: torch.nn.Module) -> torch.Tensor:
        model.reshard()
        return model.get_output_embeddings().weight.full_tensor()

    with pytest.raises(VzError, match=r"gradient of '.*embed_tokens\.weight' would come from one process only"):
        logits_by(gathered, False, tmp_path).sum().backward()


def test_a_model_without_layers_is_refused() -> None:
    with pytest.raises(InputError, match="Sequential: marks no layers that could be sharded"):
        layers(network())


def names_of_gathered(model: torch.nn.Module) -> list[str]:
    from torch.distributed.tensor import DTensor

    return [name for name, weight in model.named_parameters() if not isinstance(weight, DTensor)]


def test_a_reference_releases_its_weights_after_each_pass(alone: None, tmp_path: Path) -> None:
    from transformers import LlavaForConditionalGeneration

    from tests.train.world import build_llava

    model = LlavaForConditionalGeneration.from_pretrained(build_llava(tmp_path), dtype=torch.float32)
    shard(model.requires_grad_(False), Spread(True, False), torch.device("cpu"), bf16=False, weights={})
    with torch.no_grad():
        model(torch.tensor([[7, 8, 9]]))
    assert names_of_gathered(model) == []


@pytest.mark.slow
def test_moments_are_kept_when_log_probs_of_the_start_are_computed(played: world.World, tmp_path: Path) -> None:
    file = tmp_path / "fsdp.yaml"
    file.write_text("distributed_type: FSDP\nfsdp_config: {fsdp_version: 2, fsdp_reshard_after_forward: false}\n")
    settings = {"correction": "token_truncate", "rows_per_update": 6, "adam_epsilon": 1e-2, **world.LIMITLESS}
    whole = world.recipe(played.model, **settings)
    train(job_of(played, whole, tmp_path, None, tmp_path / "start"))
    train(job_of(played, whole, tmp_path, tmp_path / "start", tmp_path / "whole"))
    sharded = world.recipe(played.model, accelerate_config=str(file), **settings)
    train(job_of(played, sharded, tmp_path, tmp_path / "start", tmp_path / "sharded"))
    ends = world.tensors(tmp_path / "sharded")
    for name, value in world.tensors(tmp_path / "whole").items():
        torch.testing.assert_close(ends[name], value, rtol=1e-4, atol=1e-6, msg=name)


def train(job: Job) -> None:
    with open_trainer(job.recipe) as trainer:
        trainer.train(job, read_rows(Path(job.kept), Path(job.rollouts), Path(job.games), job.recipe.train.loss))


def job_of(played: world.World, recipe: Recipe, folder: Path, before: Path | None, after: Path) -> Job:
    """Two updates from one state to the next."""
    model = str(played.model)
    return Job(
        recipe=recipe,
        kept=str(played.kept),
        rollouts=str(played.rollouts),
        games=str(played.games),
        model=model,
        base=model,
        anchor=model,
        outside=None,
        state_in=None if before is None else str(before),
        state_out=str(after),
        done=0 if before is None else 2,
        total=4,
        rate_share=1.0,
        start="" if before is None else before.name,
        state_id=after.name,
        off_policy=0,
    )
