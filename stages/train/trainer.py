"""TRL's GRPO trainer on stored rows.

TRL and transformers run the loop: accumulation, autocast, clipping, distribution. vz supplies the rows, the loss, the
KL reference (the run's base) and the learning-rate schedule (which spans the run). Nothing is generated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOTrainer

from stages.core.engines.base import sampler_name
from stages.core.errors import VzError
from stages.core.progress import Progress
from stages.core.seeds import derive
from stages.train.accelerate_file import Spread
from stages.train.agreement import difference, sample
from stages.train.encode import Batch, Encoder
from stages.train.features import recompute_activations
from stages.train.job import Job
from stages.train.layout import Layout
from stages.train.logprobs import Tokens, add_head, completion_logprobs
from stages.train.loss import loss_of
from stages.train.measures import Tally, check_gap
from stages.train.optimizer import make_optimizer
from stages.train.plan import MicroBatch, UpdateSize, rate, work_of
from stages.train.policy import frozen_dtype, trainable
from stages.train.rows import Row
from stages.train.sharding import scatter_again
from stages.train.state import load_moments, whole
from stages.train.tree import Form, Pack

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from trl import GRPOConfig


@dataclass(frozen=True)
class Models:
    """The policy, and the frozen models that KL is measured to."""

    policy: PreTrainedModel
    reference: PreTrainedModel | None  # None for the policy without its adapter, or if there is no KL
    anchor: PreTrainedModel | None  # what the KL of anchors is measured to; None for the reference
    tokens: Tokens
    temperature: float  # the sampler's


@dataclass(frozen=True)
class Work:
    """The rows of a call, and their division into updates and micro-batches."""

    rows: Sequence[Row]
    updates: Sequence[range]
    packs: Sequence[Sequence[Pack]]  # of the updates, over all processes
    sizes: Sequence[UpdateSize]  # of the updates
    batches: Sequence[MicroBatch]  # of this process
    form: Form  # how rows are computed
    plain: str | None  # why as plain rows


class ReplayTrainer(GRPOTrainer):  # type: ignore[misc]  # TRL has no annotations
    """Minimises `stages.train.loss` over stored rows with given advantages. `records` has the measures by update."""

    def __init__(
        self,
        models: Models,
        encoder: Encoder,
        config: GRPOConfig,
        job: Job,
        work: Work,
        progress: Progress,
        spread: Spread,
    ) -> None:
        super().__init__(
            model=models.policy,
            reward_funcs=_no_reward,
            args=config,
            train_dataset=Dataset.from_dict({"prompt": ["stored"] * 2}),  # required, but never read
            processing_class=encoder.processor,
            optimizers=(make_optimizer(models.policy, job.recipe.train), None),
        )
        self.job, self.work, self.encoder, self.progress = job, work, encoder, progress
        self.settings = job.recipe.train
        self.sampler = sampler_name(
            "transformers", frozen_dtype(job.recipe), job.recipe.model.quantization
        )  # as rows name it
        self.ratio_is_to_start = job.ratio_is_to_start(len(work.updates))
        self.start_logprobs: dict[int, torch.Tensor] = {}  # of corrected rows before the first update, by place
        self.records: list[dict[str, Any]] = []
        self.tally = Tally(self.accelerator.device, self.settings)
        for model in (models.policy, models.reference, models.anchor):
            if model is not None:
                add_head(model, models.temperature, models.tokens)
        self.layout = None if work.form == "rows" else Layout(models.policy, work.form)
        self.corrected = [self._is_corrected(row) for row in work.rows]
        self._sharded = spread.sharded
        if self.settings.gradient_checkpointing:
            recompute_activations(models.policy)
        self.ref_model = self._placed(models.reference, spread)
        self.anchor_model = self._placed(models.anchor, spread)
        self.add_callback(_Callback(self))
        self.remove_callback(PrinterCallback)

    def _placed(self, frozen: PreTrainedModel | None, spread: Spread) -> Any:
        """A frozen model on the device, or its shards."""
        if frozen is None:
            return None
        if spread.sharded:
            return frozen
        return self.accelerator.prepare_model(frozen, evaluation_mode=True)

    def live(self) -> tuple[dict[str, torch.nn.Parameter], torch.optim.Optimizer]:
        """The weights that train and their optimizer, once they are prepared (and sharded)."""
        optimizer: Any = getattr(self.optimizer, "optimizer", self.optimizer)
        return trainable(self.accelerator.unwrap_model(self.model)), optimizer

    def get_train_dataloader(self) -> DataLoader[MicroBatch]:
        batches: Any = list(self.work.batches)
        return DataLoader(batches, batch_size=None, collate_fn=lambda batch: batch)

    def _prepare_inputs(self, inputs: MicroBatch) -> MicroBatch:
        return inputs

    def compute_loss(
        self, model: Any, inputs: MicroBatch, return_outputs: bool = False, num_items_in_batch: object = None
    ) -> torch.Tensor:
        """The micro-batch's share of the update's loss (`stages.train.loss`)."""
        batch = self._with_references(self._encoded(inputs), inputs)
        logprobs, entropy = self._logprobs(model, batch)
        loss = loss_of(batch, logprobs, self.work.sizes[inputs.update], self.settings)
        self.tally.add(batch, logprobs.detach(), entropy.detach(), loss.detach())
        processes: int = self.accelerator.num_processes  # which average their gradients
        return loss * processes

    def _encoded(self, micro_batch: MicroBatch) -> Batch:
        return self._encoded_as(self.layout, micro_batch)

    def _encoded_as(self, layout: Layout | None, micro_batch: MicroBatch) -> Batch:
        dtype, device = torch.bfloat16 if self.args.bf16 else torch.float32, self.accelerator.device
        return self.encoder.batch(self.work.rows, micro_batch, self.corrected, layout, dtype, device)

    @torch.no_grad()
    def why_plain(self) -> str | None:
        """Why the model cannot take trees, or None if it computes the same from them. All processes must call this."""
        trees, rows = sample(self.work.batches, self.work.form)
        plain = self._encoded_as(None, rows)
        self.model.eval()
        for model in (self.model, self.ref_model, self.anchor_model):
            if model is None:
                continue
            reason = difference(partial(self._logprobs, model), partial(self._encoded_as, self.layout, trees), plain)
            if self._most(int(reason is not None)):
                return f"{type(model).__name__}: {reason or 'another process found a difference'}"
        self.model.train()
        scatter_again(self.model)
        return None

    def _most(self, number: int) -> int:
        """The highest number of all processes."""
        here = torch.tensor([number], device=self.accelerator.device)
        return int(self.accelerator.gather(here).max())

    def _is_corrected(self, row: Row) -> bool:
        """Whether the row gets importance weights."""
        ratio, correction = self.settings.ratio, self.settings.correction
        return ratio != "sampled" and (row.sampler != self.sampler if correction == "auto" else correction != "off")

    def _with_references(self, batch: Batch, micro_batch: MicroBatch) -> Batch:
        """The batch with the log-probs that the ratio and the KL terms need."""
        old = None
        if self.ratio_is_to_start:
            old = batch.sampled.clone()
            for number, place in enumerate(micro_batch.rows):
                old[number] = self.start_logprobs.get(place, old[number])
        # Depends on the update, not on these rows: sharded models run on all processes or on none.
        has_anchors = self.settings.anchor_kl > 0 and self.work.sizes[micro_batch.update].anchors > 0
        reference = anchor = None
        if self.settings.kl or (has_anchors and self.anchor_model is None):
            reference = self._reference_logprobs(self.ref_model, batch)
        if has_anchors:
            anchor = reference if self.anchor_model is None else self._reference_logprobs(self.anchor_model, batch)
        return replace(batch, old=old, reference=reference, anchor_reference=anchor)

    @torch.no_grad()
    def _reference_logprobs(self, reference: Any, batch: Batch) -> torch.Tensor:
        """[B, T]: of the same completions under a frozen model, or under the policy without its adapter."""
        if reference is not None:
            return self._logprobs(reference, batch)[0]
        with self.accelerator.unwrap_model(self.model).disable_adapter():
            return self._logprobs(self.model, batch)[0]

    def _logprobs(self, model: Any, batch: Batch) -> torch.Tensor:
        with self.accelerator.autocast():
            return completion_logprobs(model, batch, self._most if self._sharded else None)

    @torch.no_grad()
    def compute_start(self) -> None:
        """Compute log-probs of before the first update for the corrected rows, if the ratio divides by them."""
        if not self.ratio_is_to_start or not any(map(self._is_corrected, self.work.rows)):
            return
        self.model.eval()
        for micro_batch in self.work.batches:
            logprobs = self._logprobs(self.model, self._encoded(micro_batch))[0].cpu()
            for place, found in zip(micro_batch.rows, logprobs, strict=False):
                if self._is_corrected(self.work.rows[place]):
                    self.start_logprobs[place] = found
        self.model.train()
        scatter_again(self.model)

    def _clip_grad_norm(self, model: Any) -> Any:
        """Clip, record the update, and stop before the weights change if something is wrong."""
        norm = super()._clip_grad_norm(model)
        record: dict[str, Any] = {
            "update": self.job.done + len(self.records) + 1,
            **work_of(self.work.packs[len(self.records)]),
            **({"plain_rows": self.work.plain} if self.work.plain else {}),
            **self.tally.finish(self.accelerator),
            "grad_norm": float(whole(norm)),
            "learning_rate": self.lr_scheduler.get_last_lr()[0],
        }
        self._check(record)
        self.records.append(record)
        self.progress.advance(note=f"loss {record['loss']:.4f}")
        return norm

    def _check(self, record: dict[str, Any]) -> None:
        if not self.records:
            check_gap(record, self.job.recipe, self.work.rows, self.sampler, self.job.off_policy)
        if not all(abs(record[name]) < float("inf") for name in ("loss", "grad_norm")):
            raise VzError(
                f"update {record['update']}: loss {record['loss']}, gradient norm {record['grad_norm']}: not finite; "
                "the weights are as they were before this call. Lower train.learning_rate, or set train.precision: fp32"
            )

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LambdaLR:
        """The run's schedule, from the update at which this call starts."""
        job, train = self.job, self.settings
        if self.lr_scheduler is None:
            inner: Any = getattr(self.optimizer, "optimizer", self.optimizer)
            self.lr_scheduler: LambdaLR = LambdaLR(
                inner, lambda step: job.rate_share * rate(job.done + step, job.total, train)
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def _get_num_items_in_batch(self, batch_samples: object, device: object) -> None:
        return None  # the loop would count labels

    def floating_point_ops(self, inputs: object) -> int:
        return 0  # the loop would count tokens


class _Callback(TrainerCallback):  # type: ignore[misc]
    """What happens before the first update and before each."""

    def __init__(self, trainer: ReplayTrainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Give the optimizer the moments of the state before, as soon as there is an optimizer."""
        self._trainer.compute_start()
        if self._trainer.job.state_in is not None:
            load_moments(Path(self._trainer.job.state_in), *self._trainer.live())

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Random numbers of an update (LoRA dropout) depend on its number in the run, not on where a call began."""
        trainer = self._trainer
        update = trainer.job.done + state.global_step
        torch.manual_seed(derive(trainer.job.recipe.seed, "train", update, trainer.accelerator.process_index))


def _no_reward(**_: object) -> list[float]:
    raise RuntimeError("stored rows have their advantages; no reward is ever computed")
