"""The updates of one call: the loss of stored rows, its gradient, and AdamW's steps.

For each update, the processes add up the gradients of their micro-batches, average them once, clip them, check the
measures, and step. TRL supplies the kernel for log-probs. accelerate supplies the processes and the precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from stages.core.engines.base import sampler_name
from stages.core.progress import Progress
from stages.core.seeds import derive
from stages.core.vlm.untrusted import AGAIN, library_errors
from stages.train.agreement import difference, sample
from stages.train.encode import Batch, Encoder
from stages.train.job import Job
from stages.train.layout import Layout
from stages.train.logprobs import completion_logprobs
from stages.train.loss import loss_of
from stages.train.measures import Tally, check_gap
from stages.train.plan import MicroBatch, UpdateSize, rate, work_of
from stages.train.policy import AdapterWeights, adapter_replaced, frozen_dtype, trainable
from stages.train.rows import Row
from stages.train.sharding import scatter_again
from stages.train.state import NotFinite, whole
from stages.train.tree import Form, Pack

if TYPE_CHECKING:
    from accelerate import Accelerator
    from transformers import PreTrainedModel

_NOT_FINITE = "the weights are as they were before this call. Lower train.learning_rate, or set train.precision: fp32"


@dataclass(frozen=True)
class Models:
    """The policy, and the frozen models that KL is measured to."""

    policy: PreTrainedModel
    reference: PreTrainedModel | None  # None for the policy without its adapter, or if there is no KL
    anchor: PreTrainedModel | AdapterWeights | None  # what the KL of anchors is measured to; None for the reference
    is_sharded: bool

    @property
    def loaded(self) -> list[PreTrainedModel]:
        """The models that are in memory."""
        return [model for model in (self.policy, self.reference, self.anchor) if isinstance(model, torch.nn.Module)]


@dataclass(frozen=True)
class Work:
    """The rows of a call, and their division into updates and micro-batches."""

    rows: Sequence[Row]
    updates: Sequence[Sequence[int]]
    packs: Sequence[Sequence[Pack]]  # of the updates, over all processes
    sizes: Sequence[UpdateSize]  # of the updates
    batches: Sequence[MicroBatch]  # of this process
    form: Form  # how rows are computed
    plain: str | None  # the reason for plain rows


class Updates:
    """Minimises `stages.train.loss` over stored rows with given advantages. `records` has the measures by update."""

    def __init__(
        self,
        models: Models,
        optimizer: torch.optim.Optimizer,
        encoder: Encoder,
        accelerator: Accelerator,
        job: Job,
        work: Work,
        progress: Progress,
    ) -> None:
        self.models, self.optimizer, self.encoder, self.accelerator = models, optimizer, encoder, accelerator
        self.job, self.work, self.progress = job, work, progress
        self.settings = job.recipe.train
        precision = frozen_dtype(job.recipe), job.recipe.model.quantization
        self.sampler = sampler_name("transformers", *precision)  # as rows name it
        self.ratio_is_to_start = job.ratio_is_to_start(len(work.updates))
        self.start_logprobs: dict[int, torch.Tensor] = {}  # of corrected rows before the first update, by place
        self.records: list[dict[str, Any]] = []
        self.tally = Tally(accelerator.device, self.settings)
        self.layout = None if work.form == "rows" else Layout(models.policy, work.form)
        self.corrected = [self._is_corrected(row) for row in work.rows]
        self.has_stepped = False  # from the first change of the weights

    def run(self) -> list[dict[str, Any]]:
        """Every update; returns `records`. An error before the first step leaves the weights as they were."""
        self._compute_start()
        self.models.policy.train()
        for number in range(len(self.work.updates)):
            self._update(number)
        self._check_end()
        return self.records

    def _update(self, number: int) -> None:
        job, train, policy = self.job, self.settings, self.models.policy
        # Random numbers (LoRA dropout) depend on the update's number in the run, not on where a call began.
        torch.manual_seed(derive(job.recipe.seed, "train", job.done + number, self.accelerator.process_index))
        for micro_batch in self.work.batches:
            if micro_batch.update == number:
                self.accelerator.backward(self._loss(micro_batch))
        if not self.models.is_sharded:  # FSDP has averaged them
            average_gradients(list(trainable(policy).values()), self.accelerator)
        norm = self.accelerator.clip_grad_norm_(policy.parameters(), train.max_grad_norm)
        share = job.rate_share * rate(job.done + number, job.total, train)
        record: dict[str, Any] = {
            "update": job.done + number + 1,
            **work_of(self.work.packs[number]),
            **({"plain_rows": self.work.plain} if self.work.plain else {}),
            **self.tally.finish(self.accelerator),
            "grad_norm": float(whole(norm)),
            "learning_rate": train.learning_rate * share,
        }
        self._check(record)
        for group in self.optimizer.param_groups:
            group["lr"] = record["learning_rate"]
        self.has_stepped = True
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.records.append(record)
        self.progress.advance(note=f"loss {record['loss']:.4f}")

    def _check(self, record: dict[str, Any]) -> None:
        """Stop before the weights change if something is wrong."""
        if not self.records:
            check_gap(record, self.job.recipe, self.work.rows, self.sampler, self.job.off_policy)
        if not all(abs(record[name]) < float("inf") for name in ("loss", "grad_norm")):
            raise NotFinite(
                f"update {record['update']}: loss {record['loss']}, gradient norm {record['grad_norm']}: not finite; "
                + _NOT_FINITE
            )

    @torch.no_grad()
    def _check_end(self) -> None:
        """Stop before anything is written if the last step broke the weights, since no later update would notice."""
        if not self.records:
            return
        self.models.policy.eval()
        batch = self._encoded(self.work.batches[-1])
        logprobs = self._logprobs(self.models.policy, batch)[0]
        scatter_again(self.models.policy)
        if self._most(int(not logprobs[batch.mask.bool()].isfinite().all())):
            raise NotFinite(f"update {self.records[-1]['update']} led to log-probs that are not finite; {_NOT_FINITE}")

    def _loss(self, micro_batch: MicroBatch) -> torch.Tensor:
        """The micro-batch's share of the update's loss (`stages.train.loss`)."""
        batch = self._with_references(self._encoded(micro_batch), micro_batch)
        logprobs, entropy = self._logprobs(self.models.policy, batch)
        loss = loss_of(batch, logprobs, self.work.sizes[micro_batch.update], self.settings)
        self.tally.add(batch, logprobs.detach(), entropy.detach(), loss.detach())
        processes: int = self.accelerator.num_processes  # which average their gradients
        return loss * processes

    def _encoded(self, micro_batch: MicroBatch) -> Batch:
        return self._encoded_as(self.layout, micro_batch)

    def _encoded_as(self, layout: Layout | None, micro_batch: MicroBatch) -> Batch:
        dtype = torch.bfloat16 if self.accelerator.mixed_precision == "bf16" else torch.float32
        return self.encoder.batch(self.work.rows, micro_batch, self.corrected, layout, dtype, self.accelerator.device)

    @torch.no_grad()
    def why_plain(self) -> str | None:
        """Why a model cannot use trees, or None if all compute the same from them. All processes must call this."""
        trees, rows = sample(self.work.batches, self.work.form)
        plain = self._encoded_as(None, rows)
        self.models.policy.eval()
        for model in self.models.loaded:
            with library_errors(self.job.model, "this model cannot compute the rows", lambda _: f"; {AGAIN}"):
                reason = difference(
                    partial(self._logprobs, model), partial(self._encoded_as, self.layout, trees), plain
                )
            if self._most(int(reason is not None)):
                return f"{type(model).__name__}: {reason or 'another process found a difference'}"
        scatter_again(self.models.policy)
        return None

    def _most(self, number: int) -> int:
        """The highest number of all processes."""
        here = torch.tensor([number], device=self.accelerator.device)
        return int(self.accelerator.gather(here).max())

    def _is_corrected(self, row: Row) -> bool:
        """Whether the row gets importance weights."""
        ratio, correction = self.settings.ratio, self.settings.correction
        if row.is_outside or ratio == "sampled":
            return False
        return row.sampler != self.sampler if correction == "auto" else correction != "off"

    def _with_references(self, batch: Batch, micro_batch: MicroBatch) -> Batch:
        """The batch with the log-probs that the ratio and the KL terms need."""
        old = None
        if self.ratio_is_to_start:
            old = batch.sampled.clone()
            for number, place in enumerate(micro_batch.rows):
                old[number] = self.start_logprobs.get(place, old[number])
        # This depends on the update, not on these rows: sharded models run on all processes or on none.
        size = self.work.sizes[micro_batch.update]
        has_anchors = self.settings.anchor_kl > 0 and size.anchors > 0
        own_anchor, reference, anchor = self.models.anchor, None, None
        if self.settings.kl or size.outside or (has_anchors and own_anchor is None):
            reference = self._reference_logprobs(self.models.reference, batch)
        if has_anchors:
            anchor = reference if own_anchor is None else self._reference_logprobs(own_anchor, batch)
        return replace(batch, old=old, reference=reference, anchor_reference=anchor)

    @torch.no_grad()
    def _reference_logprobs(self, reference: PreTrainedModel | AdapterWeights | None, batch: Batch) -> torch.Tensor:
        """[B, T]: log-probs of the same completions by a frozen model, or the policy with another adapter or none."""
        if isinstance(reference, torch.nn.Module):
            return self._logprobs(reference, batch)[0]
        policy: Any = self.models.policy
        with policy.disable_adapter() if reference is None else adapter_replaced(policy, reference):
            return self._logprobs(policy, batch)[0]

    def _logprobs(self, model: PreTrainedModel, batch: Batch) -> torch.Tensor:
        with self.accelerator.autocast():
            return completion_logprobs(model, batch, self._most if self.models.is_sharded else None).float()

    @torch.no_grad()
    def _compute_start(self) -> None:
        """Compute the corrected rows' log-probs before the first update, if the ratio divides by them."""
        if not self.ratio_is_to_start or not any(map(self._is_corrected, self.work.rows)):
            return
        self.models.policy.eval()
        for micro_batch in self.work.batches:
            logprobs = self._logprobs(self.models.policy, self._encoded(micro_batch))[0].cpu()
            for place, found in zip(micro_batch.rows, logprobs, strict=False):
                if self._is_corrected(self.work.rows[place]):
                    self.start_logprobs[place] = found
        scatter_again(self.models.policy)


def average_gradients(weights: Sequence[torch.nn.Parameter], accelerator: Accelerator) -> None:
    """Average the gradients of the processes, each of which holds all weights. All processes must call this."""
    if accelerator.num_processes == 1:
        return
    found = torch.tensor([weight.grad is not None for weight in weights], dtype=torch.long, device=accelerator.device)
    for weight, number in zip(weights, accelerator.reduce(found).tolist(), strict=True):
        if number:  # a process whose rows do not reach the weight adds zeros
            gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
            weight.grad = accelerator.reduce(gradient, reduction="mean")
