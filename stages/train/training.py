"""What a training process keeps between calls: the policy, the optimizer, and the models that KL is measured to."""

from __future__ import annotations

import gc
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from transformers import PreTrainedModel
from transformers.utils import logging

from stages.core import vlm
from stages.core.clock import OPTIMIZER, clock
from stages.core.engines.processing import Processing
from stages.core.errors import InputError
from stages.core.processes.inherited import without_launcher
from stages.core.progress import Silent, progress_bar
from stages.core.recipe import Recipe
from stages.core.recipe.train import Train
from stages.core.vlm.loading import free_accelerator
from stages.train.accelerate_file import Spread, spread_of
from stages.train.adapter import described
from stages.train.encode import Encoder, check_completions
from stages.train.export import export
from stages.train.features import forget_features, recompute_activations
from stages.train.job import Job
from stages.train.live import Trainer
from stages.train.logprobs import Tokens, add_head
from stages.train.optimizer import make_optimizer
from stages.train.outside import check_pictures
from stages.train.plan import micro_batches, packs_of, size_of, updates_of
from stages.train.policy import (
    AdapterWeights,
    is_on_gpu,
    load_anchor,
    load_policy,
    load_reference,
    trainable,
    uses_bf16,
)
from stages.train.rows import Row, sampling_of
from stages.train.state import FORMAT, StateInfo, Trained, load_moments, load_weights, read_trained, snapshot
from stages.train.trainer import Models, Updates, Work
from stages.train.tree import FORMS, Form, Line
from stages.train.writing import Writer

ROWS: tuple[Form, ...] = ("rows",)


class Training(Trainer):
    """The trainer in this process, or its part in one of several processes that torchrun started (`launched`)."""

    def __init__(self, recipe: Recipe, *, launched: bool = False) -> None:
        super().__init__(recipe)
        self._launched, self._writer, self._spread = launched, Writer(), spread_of(recipe)
        self._memory: _Memory | None = None

    def _train(self, job: Job, rows: Sequence[Row]) -> Trained:
        with self._ready():
            if not self.holds(job):
                self._load(job)
            memory = self._memory
            assert memory is not None and self.held is not None
            if self.state_id != job.state_id:
                self._update(job, rows, memory)
            main = memory.accelerator.is_main_process
            if job.state_out is not None:
                self._write(job, memory, main)
            if job.out is not None:
                export(memory.policy, job, self.held.info.updates, main=main)
            return self.held

    def sleep(self) -> None:
        if self._memory is not None:
            self._memory.sleep()
            free_accelerator()

    def close(self) -> None:
        self._drop()
        self._writer.wait()

    @contextmanager
    def _ready(self) -> Iterator[None]:
        """Within this context, libraries are set up as the recipe says, and the memory is awake."""
        hidden = nullcontext() if self._launched else without_launcher()
        with library_settings(self.recipe), hidden:
            if self._memory is not None:
                self._memory.wake()
            yield

    def _drop(self) -> None:
        held, self.held, self._memory = self._memory, None, None
        if held is not None:
            del held
            gc.collect()  # models have reference cycles; collecting them takes too long for every call
            free_accelerator()

    def _load(self, job: Job) -> None:
        """Load the state that the job starts from. It replaces the current one."""
        self._drop()
        state = None if job.state_in is None else Path(job.state_in)
        self._memory = _Memory(job, state, make_accelerator(self.recipe), self._spread)
        self.held = Trained(self._info(job, job.start, job.done), []) if state is None else read_trained(state)

    def _update(self, job: Job, rows: Sequence[Row], memory: _Memory) -> None:
        encoder, train, sampling = memory.encoder(), job.recipe.train, sampling_of(Path(job.rollouts))
        check_pictures(rows, self._spread.sharded)
        lines = encoder.lines(rows, by_size=train.processes > 1)
        models = memory.models(job, rows, sampling.temperature)
        updates = updates_of(sum(not row.is_outside for row in rows), train.rows_per_update, train.outside_rows)
        shown = progress_bar("training", len(updates))
        with shown if memory.accelerator.is_main_process else nullcontext(Silent()) as progress:

            def in_form(form: Form) -> Updates:
                plain = memory.plain if form == "rows" else None
                work = _work(
                    rows, updates, lines, sampling.max_tokens, train, memory.accelerator.process_index, form, plain
                )
                own = [rows[place] for batch in work.batches for place in batch.rows]
                check_completions(memory.policy, own, memory.tokens)
                return Updates(models, memory.optimizer, encoder, memory.accelerator, job, work, progress)

            self._run(job, memory.first_that_works(in_form, models))

    def _run(self, job: Job, updates: Updates) -> None:
        began = time.monotonic()
        try:
            with clock.busy(OPTIMIZER):
                records = updates.run()
        except BaseException:
            updates.optimizer.zero_grad()
            if updates.has_stepped:
                self._drop()
            raise
        after = self._info(job, job.state_id, job.done + len(records))
        self.held = Trained(after, records, time.monotonic() - began)

    def _write(self, job: Job, memory: _Memory, main: bool) -> None:
        """Write the current state. Processes other than the main one only help to gather it."""
        tensors = snapshot(trainable(memory.policy), memory.optimizer)
        if not main:
            for _ in tensors:
                pass
            return
        assert self.held is not None
        self._writer.write(Path(job.state_out or ""), self.held, tensors, in_background=job.in_background)

    def _info(self, job: Job, state_id: str, updates: int) -> StateInfo:
        lora = job.recipe.model.lora
        kind, adapter = ("full", {}) if lora is None else ("lora", described(lora))
        return StateInfo(FORMAT, state_id, "trl", kind, updates, job.total, job.recipe.seed, adapter=adapter)


class _Memory:
    """The policy with its optimizer and processor. Loads its reference models for the first job that needs them."""

    def __init__(self, job: Job, state: Path | None, accelerator: Accelerator, spread: Spread) -> None:
        self.accelerator, self._spread, self._recipe = accelerator, spread, job.recipe
        self._processing = Processing.of(job.model, job.recipe.model)
        self._reference: PreTrainedModel | None = None
        self._anchor: tuple[str, PreTrainedModel | AdapterWeights] | None = None  # with its place
        self._forms = FORMS if job.recipe.train.share_prefixes else ROWS  # those that may work
        self.plain: str | None = None  # why the others do not
        self._tried: set[int] = set()  # the models that take the first form
        self._is_asleep = False
        self._moved: list[tuple[dict[str, Any], str, torch.device]] = []  # parts of the optimizer that sleep
        self.policy = load_policy(job.recipe, job.model, job.base, spread, accelerator.device)
        if job.recipe.model.lora is None:
            _round_frozen(self.policy, getattr(torch, job.recipe.model.dtype))
        if state is not None:
            load_weights(state, trainable(self.policy))
        self.tokens = Tokens.of(self.policy, self._processing.processor)
        if job.recipe.train.gradient_checkpointing:
            recompute_activations(self.policy)
        self.optimizer = make_optimizer(self.policy, job.recipe.train)
        if state is not None:
            load_moments(state, trainable(self.policy), self.optimizer)

    def encoder(self) -> Encoder:
        return Encoder(self._processing)

    def models(self, job: Job, rows: Sequence[Row], temperature: float) -> Models:
        """The policy and the models that KL is measured to, with heads for this temperature."""
        train = job.recipe.train
        anchored = any(row.is_anchor for row in rows) and train.anchor_kl > 0
        own_anchor = anchored and job.anchor != job.base
        to_base = train.kl > 0 or any(row.is_outside for row in rows) or (anchored and not own_anchor)
        if to_base and job.recipe.model.lora is None and not self._reference:
            self._reference = load_reference(self._recipe, job.base, self._spread, self.accelerator.device)
        if own_anchor and (self._anchor is None or self._anchor[0] != job.anchor):
            self._anchor = None  # first, since both may not fit
            own = load_anchor(self._recipe, job.anchor, job.base, self.policy, self._spread, self.accelerator.device)
            self._anchor = job.anchor, own
        anchor = self._anchor[1] if own_anchor and self._anchor else None
        models = Models(self.policy, self._reference, anchor, self._spread.sharded)
        for model in models.loaded:
            add_head(model, temperature, self.tokens)
        return models

    def first_that_works(self, in_form: Callable[[Form], Updates], models: Models) -> Updates:
        """The updates in the fastest form that the models accept. Tries each set of models once."""
        these = {id(model) for model in models.loaded}
        while True:
            updates = in_form(self._forms[0])
            if self._forms[0] == "rows" or these <= self._tried or (reason := updates.why_plain()) is None:
                self._tried = these
                return updates
            self._forms, self.plain = self._forms[1:], reason

    def sleep(self) -> None:
        """Move weights and moments to RAM, and forget the features of pictures."""
        if self.accelerator.device.type == "cpu" or self._is_asleep:
            return
        self._is_asleep = True
        for model in self._all():
            forget_features(model)
            model.to("cpu")
        for state in self.optimizer.state.values():
            for name, value in state.items():
                if value.device.type != "cpu":
                    self._moved.append((state, name, value.device))
                    state[name] = value.to("cpu")

    def wake(self) -> None:
        """Move them back."""
        if not self._is_asleep:
            return
        for model in self._all():
            model.to(self.accelerator.device)
        for state, name, device in self._moved:
            state[name] = state[name].to(device)
        self._moved.clear()
        self._is_asleep = False

    def _all(self) -> list[PreTrainedModel]:
        return Models(self.policy, self._reference, self._anchor and self._anchor[1], self._spread.sharded).loaded


def make_accelerator(recipe: Recipe) -> Accelerator:
    """The processes' communication and precision. `InputError` if their number differs from the recipe's."""
    AcceleratorState._reset_state(reset_partial_state=True)  # of an earlier training in this process
    precision = "bf16" if uses_bf16(recipe) else "no"
    accelerator = Accelerator(cpu=not is_on_gpu(recipe), mixed_precision=precision)
    if accelerator.num_processes != recipe.train.processes:
        raise InputError(
            f"train.processes is {recipe.train.processes}, but {accelerator.num_processes} were started; "
            "start training with `vz train --processes`, not with a launcher"
        )
    return accelerator


@torch.no_grad()
def _round_frozen(policy: PreTrainedModel, dtype: torch.dtype) -> None:
    """Round weights that do not train to the checkpoints' precision, so that the start equals later rounds."""
    for weight in policy.parameters():
        if not weight.requires_grad:
            weight.copy_(weight.to(dtype))


def _work(
    rows: Sequence[Row],
    updates: Sequence[Sequence[int]],
    lines: Sequence[Line],
    longest: int,
    train: Train,
    rank: int,
    form: Form,
    plain: str | None,
) -> Work:
    """The rows, divided into updates and micro-batches."""
    packs = packs_of(updates, lines, train.tokens_per_batch, train.processes, form)
    sizes = [size_of(rows, each, longest) for each in packs]
    return Work(rows, updates, packs, sizes, micro_batches(packs, train.processes, rank), form, plain)


@contextmanager
def library_settings(recipe: Recipe) -> Iterator[None]:
    """Set threads and determinism as the recipe says. Libraries print only errors, on stderr."""
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
        free_accelerator()
