"""Training itself, on every process: check, load, replay, and write the state that training goes on from."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from stages.core import vlm
from stages.core.errors import InputError
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.train.accelerate_file import Spread
from stages.train.adapter import described
from stages.train.correction import own_sampler
from stages.train.encode import check_completions, check_prompts
from stages.train.job import Job, Trained
from stages.train.launch import spread_of
from stages.train.logprobs import Tokens
from stages.train.manners import manners
from stages.train.plan import micro_batches, steps_per_update, updates_of
from stages.train.policy import load_policy, load_reference, trainable, uses_bf16
from stages.train.rows import Row, Sampling, read_rows, sampling_of
from stages.train.sharding import is_first, loaded_once
from stages.train.state import FORMAT, StateInfo, load_moments, load_weights, snapshot, write_state

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerCallback
    from trl import GRPOConfig

    from stages.train.replay import ReplayTrainer


def train(job: Job) -> Trained:
    """Run the job's updates and write the state after to `job.state_out`. Every process of the job calls this.

    Without rows nothing is trained; the state written is that of the start. Raises `InputError` for rows that do not
    belong to this model, before any update.
    """
    started = time.monotonic()
    with manners(job.recipe), tempfile.TemporaryDirectory() as scratch:
        rows = read_rows(Path(job.kept), Path(job.rollouts), Path(job.games), job.recipe.train.loss)
        trainer = None
        if rows:
            trainer = _trained(job, rows, sampling_of(Path(job.rollouts)), scratch)
            weights, optimizer = live(trainer)
            main, updates = trainer.accelerator.is_main_process, trainer.records
        else:
            weights, optimizer = trainable(_start(job)), None
            main, updates = True, []
        info = _info(job, len(updates))
        write_state(Path(job.state_out), info, snapshot(weights, optimizer), main=main)
        del trainer, weights, optimizer
    return Trained(updates, time.monotonic() - started)


def live(trainer: ReplayTrainer) -> tuple[dict[str, torch.nn.Parameter], torch.optim.Optimizer]:
    """The weights that train and their optimizer, as they are once the trainer has prepared (and sharded) them."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    optimizer: Any = getattr(trainer.optimizer, "optimizer", trainer.optimizer)
    return trainable(model), optimizer


def _trained(job: Job, rows: list[Row], sampling: Sampling, scratch: str) -> ReplayTrainer:
    from stages.train.replay import ReplayTrainer
    from stages.train.task import Replay

    recipe = job.recipe
    updates = updates_of(len(rows), recipe.train.rows_per_update)
    size, processes = recipe.train.micro_batch, recipe.train.processes
    config = _configured(recipe, sampling, updates, scratch)  # first: it starts the processes' communication
    batches = micro_batches(updates, size, processes, config.process_index)
    processor = vlm.load_processor(job.model, recipe.model)
    own = [rows[place] for batch in batches for place in batch.rows]
    check_prompts(processor, own, job.rollouts)
    spread = spread_of(recipe)
    with _loading(recipe, spread) as loaded:
        policy = _start(replace(job, recipe=loaded), gets_weights=spread.sharded and not is_first())
    tokens = Tokens.of(policy, processor)
    check_completions(policy, own, tokens, job.rollouts)
    anchored = recipe.train.anchor_kl > 0 and any(row.is_anchor for row in rows)
    own_anchor = anchored and job.anchor != job.base
    needs_reference = (recipe.train.kl > 0 or (anchored and not own_anchor)) and recipe.model.lora is None
    with _loading(recipe, spread) as loaded:
        reference = load_reference(loaded, job.base) if needs_reference else None
        anchor = load_reference(loaded, job.anchor) if own_anchor else None
    with progress_bar("training", len(updates)) as progress:
        replay = Replay(
            recipe,
            rows,
            updates,
            batches,
            ratio_is_to_start(job, len(updates)),
            own_sampler(bf16=uses_bf16(recipe)),
            job.off_policy,
            job.done,
            job.total,
            job.rate_share,
            progress,
        )
        trainer = ReplayTrainer(policy, processor, config, replay, tokens, reference, anchor, spread)
        trainer.add_callback(_goes_on(job, trainer))
        trainer.train()
    return trainer


@contextmanager
def _loading(recipe: Recipe, spread: Spread) -> Iterator[Recipe]:
    """The recipe to load models by: models to be sharded wait in the CPU's memory, once a process."""
    if not spread.sharded:
        yield recipe
        return
    on_cpu = recipe.model.model_copy(update={"device": "cpu"})
    same = recipe.train.model_copy(update={"precision": "bf16" if uses_bf16(recipe) else "fp32"})
    with loaded_once():
        yield recipe.model_copy(update={"model": on_cpu, "train": same})


def ratio_is_to_start(job: Job, updates: int) -> bool:
    """Whether the importance ratio divides by log-probs of before the first update, as `train.ratio` has it."""
    ratio = job.recipe.train.ratio
    return ratio == "sampled" or (ratio == "auto" and (updates > 1 or job.off_policy > 0))


def _configured(recipe: Recipe, sampling: Sampling, updates: list[range], scratch: str) -> GRPOConfig:
    from stages.train.settings import configuration

    config = configuration(
        recipe,
        folder=scratch,
        temperature=sampling.temperature,
        max_tokens=sampling.max_tokens,
        steps=steps_per_update(updates, recipe.train.micro_batch, recipe.train.processes),
        updates=len(updates),
        bf16=uses_bf16(recipe),
    )
    if config.world_size != recipe.train.processes:
        raise InputError(
            f"train.processes is {recipe.train.processes}, but {config.world_size} were started; "
            "start training with `vz train --processes`, not with a launcher"
        )
    config._n_gpu = 1  # one process uses one GPU, however many it sees; more is what train.processes is for
    return config


def _start(job: Job, *, gets_weights: bool = False) -> PreTrainedModel:
    """The policy where this call begins; `gets_weights` says that another process will hand over its weights."""
    policy = load_policy(job.recipe, job.model, job.base)
    if job.state_in is not None and not gets_weights:
        load_weights(Path(job.state_in), trainable(policy))
    return policy


def _goes_on(job: Job, trainer: ReplayTrainer) -> TrainerCallback:
    """Gives the optimizer the moments of the state before, as soon as there is one."""
    from transformers import TrainerCallback

    class GoesOn(TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if job.state_in is not None:
                load_moments(Path(job.state_in), *live(trainer))

    return GoesOn()


def _info(job: Job, updates: int) -> StateInfo:
    lora = job.recipe.model.lora
    kind = "full" if lora is None else "lora"
    adapter = {} if lora is None else described(lora)
    return StateInfo(FORMAT, job.state_id, "trl", kind, job.done + updates, job.total, job.recipe.seed, adapter=adapter)
