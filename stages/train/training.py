"""One process of a training: it checks the rows, loads the models, trains, and writes the state after."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import torch
from transformers import PreTrainedModel
from transformers.utils import logging
from trl import GRPOConfig

from stages.core import vlm
from stages.core.errors import InputError
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.core.vlm.loading import free_accelerator
from stages.train.accelerate_file import WHOLE, Spread, spread_of
from stages.train.adapter import described
from stages.train.encode import Encoder, check_completions
from stages.train.job import Job
from stages.train.logprobs import Tokens
from stages.train.plan import in_step, micro_batches, packs_of, size_of, updates_of
from stages.train.policy import is_on_gpu, load_policy, load_reference, trainable, uses_bf16
from stages.train.rows import Row, Sampling, read_rows, sampling_of
from stages.train.state import FORMAT, StateInfo, load_weights, snapshot, write_state
from stages.train.trainer import Models, ReplayTrainer, Work
from stages.train.tree import FORMS, Form


def train(job: Job) -> None:
    """Run the job's updates and write the state after them to `job.state_out`. Every process of the job calls this.

    Without rows nothing is trained; the state written is that of the start. Raises `InputError` for rows that do not
    belong to this model, before any update.
    """
    with library_settings(job.recipe), tempfile.TemporaryDirectory() as scratch:
        rows = read_rows(Path(job.kept), Path(job.rollouts), Path(job.games), job.recipe.train.loss)
        if rows:
            trainer = _trained(job, rows, scratch)
            (weights, optimizer), updates = trainer.live(), trainer.records
            main = trainer.accelerator.is_main_process
            write_state(Path(job.state_out), _info(job, updates), snapshot(weights, optimizer), updates, main=main)
            del trainer, weights, optimizer
        else:
            write_state(
                Path(job.state_out),
                _info(job, []),
                snapshot(trainable(_start(job, WHOLE, vlm.device_of(job.recipe.model))), None),
                [],
            )


@contextmanager
def library_settings(recipe: Recipe) -> Iterator[None]:
    """Threads and determinism as the recipe wants them, and libraries that print nothing but errors, on stderr."""
    vlm.set_threads(recipe.threads)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    try:
        with redirect_stdout(sys.stderr), warnings.catch_warnings(action="ignore"), torch.random.fork_rng():
            if recipe.deterministic:
                os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
                torch.use_deterministic_algorithms(True, warn_only=True)
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        gc.collect()
        free_accelerator()


def _trained(
    job: Job, rows: list[Row], scratch: str, forms: Sequence[Form] = FORMS, plain: str | None = None
) -> ReplayTrainer:
    """In the first of `forms` that the model takes; `plain` says why not in earlier ones."""
    recipe, sampling, spread = job.recipe, sampling_of(Path(job.rollouts)), spread_of(job.recipe)
    processes, form = recipe.train.processes, forms[0] if recipe.train.share_prefixes else "rows"
    updates = updates_of(len(rows), recipe.train.rows_per_update)
    encoder = Encoder(vlm.load_processor(job.model, recipe.model))
    lines = encoder.lines(rows, job.rollouts, by_size=processes > 1)
    packs = packs_of(updates, lines, recipe.train.tokens_per_batch, processes, form)
    config = configured(recipe, updates, scratch)  # before models: it starts the processes' communication
    batches = in_step(micro_batches(packs, processes, config.process_index))
    config.gradient_accumulation_steps = sum(batch.update == 0 for batch in batches)
    sizes = [size_of(rows, each, sampling.max_tokens) for each in packs]
    own = [rows[place] for batch in batches for place in batch.rows]
    models = _models(job, rows, own, encoder, sampling, spread, config.device)
    with progress_bar("training", len(updates)) as progress:
        work = Work(rows, updates, packs, sizes, batches, form, plain if form == "rows" else None)
        trainer = ReplayTrainer(models, encoder, config, job, work, progress, spread)
        reason = trainer.why_plain() if form != "rows" else None
        if reason is None:
            trainer.train()
    return trainer if reason is None else _trained(job, rows, scratch, forms[1:], reason)


def _models(
    job: Job,
    rows: list[Row],
    own: list[Row],
    encoder: Encoder,
    sampling: Sampling,
    spread: Spread,
    device: torch.device,
) -> Models:
    """The policy and the models that KL is measured to. `own` are the rows of this process."""
    recipe = job.recipe
    anchored = recipe.train.anchor_kl > 0 and any(row.is_anchor for row in rows)
    own_anchor = anchored and job.anchor != job.base
    needs_reference = (recipe.train.kl > 0 or (anchored and not own_anchor)) and recipe.model.lora is None
    policy = _start(job, spread, device)
    tokens = Tokens.of(policy, encoder.processor)
    check_completions(policy, own, tokens, job.rollouts)
    reference = load_reference(recipe, job.base, spread, device) if needs_reference else None
    anchor = load_reference(recipe, job.anchor, spread, device) if own_anchor else None
    return Models(policy, reference, anchor, tokens, sampling.temperature)


def _start(job: Job, spread: Spread, device: torch.device) -> PreTrainedModel:
    """The policy at the start of this call."""
    policy = load_policy(job.recipe, job.model, job.base, spread, device)
    if job.state_in is not None:
        load_weights(Path(job.state_in), trainable(policy))
    return policy


def configured(recipe: Recipe, updates: list[range], scratch: str) -> GRPOConfig:
    """TRL's settings. `InputError` if the number of processes differs from the recipe's."""
    train = recipe.train
    config = GRPOConfig(
        output_dir=scratch,
        # What TRL requires and `ReplayTrainer` does not use: a group of completions for each prompt.
        per_device_train_batch_size=2,
        num_generations=2,
        max_steps=len(updates),
        learning_rate=train.learning_rate,
        max_grad_norm=train.max_grad_norm,
        gradient_checkpointing=False,  # `recompute_activations` does it without the vision tower
        bf16=uses_bf16(recipe),
        fp16=False,
        use_cpu=not is_on_gpu(recipe),
        seed=recipe.seed % 2**32,
        # No files, no output, no services.
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
        logging_nan_inf_filter=False,
    )
    if config.world_size != train.processes:
        raise InputError(
            f"train.processes is {train.processes}, but {config.world_size} were started; "
            "start training with `vz train --processes`, not with a launcher"
        )
    config._n_gpu = 1  # one process uses one GPU, however many it sees; train.processes is for more
    return config


def _info(job: Job, updates: list[dict[str, object]]) -> StateInfo:
    lora = job.recipe.model.lora
    kind, adapter = ("full", {}) if lora is None else ("lora", described(lora))
    done = job.done + len(updates)
    return StateInfo(FORMAT, job.state_id, "trl", kind, done, job.total, job.recipe.seed, adapter=adapter)
