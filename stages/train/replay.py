"""TRL's GRPOTrainer on stored rows with given advantages.

TRL keeps the loss, the fused log-probs and the loop with its accumulation, autocast, clipping and distribution. Taken
from it are: where rows come from (nothing is generated), how a short batch is normalised, what the KL reference is, the
learning-rate schedule (it spans the run, not the call) and the measures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOTrainer

from stages.core.errors import VzError
from stages.core.seeds import derive
from stages.train.accelerate_file import WHOLE, Spread
from stages.train.correction import mode_of, weights
from stages.train.encode import Encoded, encode_rows
from stages.train.gap import check_gap
from stages.train.logprobs import Tokens, add_head, completion_logprobs
from stages.train.measures import Tally, k3
from stages.train.plan import MicroBatch, rate
from stages.train.sharding import scatter_again, shard
from stages.train.state import whole
from stages.train.task import Replay

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin
    from trl import GRPOConfig


class ReplayTrainer(GRPOTrainer):  # type: ignore[misc]  # TRL has no annotations
    """Minimises eq. 3 and 6 of Vision-Zero over stored rows: −mean(ratio · A) + τ · mean(KL), clipped as PPO does."""

    def __init__(
        self,
        policy: PreTrainedModel,
        processor: ProcessorMixin,
        config: GRPOConfig,
        replay: Replay,
        tokens: Tokens,
        reference: PreTrainedModel | None,
        anchor: PreTrainedModel | None = None,
        spread: Spread = WHOLE,
    ) -> None:
        if spread.sharded:
            shard(policy, spread, config.device, bf16=config.bf16)
        super().__init__(
            model=policy,
            reward_funcs=_no_reward,
            args=config,
            train_dataset=Dataset.from_dict({"prompt": ["stored"] * 2}),  # asked for, but never read
            processing_class=processor,
        )
        self.replay = replay
        self.records: list[dict[str, Any]] = []
        self.tally = Tally(self.accelerator.device, replay.recipe.train)
        self.anchor_model: Any = None
        self._start: dict[int, torch.Tensor] = {}  # log-probs of rows before the first update, by place
        self.use_vllm = True  # to TRL's loss: there are importance weights
        # The configuration names no KL weight: TRL would make a reference of its own, from the policy's last weights.
        self.beta = replay.recipe.train.kl
        for model in (policy, reference, anchor):
            if model is not None:
                add_head(model, self.temperature, tokens)
        if reference is not None:
            self.ref_model = self._placed(reference, spread)
        if anchor is not None:
            self.anchor_model = self._placed(anchor, spread)
        self.add_callback(_Hooks(self))
        self.remove_callback(PrinterCallback)

    def _placed(self, frozen: PreTrainedModel, spread: Spread) -> Any:
        """A reference on the device, or its shards; it is read with `accelerator.autocast`."""
        if spread.sharded:
            shard(frozen, spread, self.accelerator.device, bf16=self.args.bf16)
            return frozen
        return self.accelerator.prepare_model(frozen, evaluation_mode=True)

    def get_train_dataloader(self) -> DataLoader[MicroBatch]:
        batches: Any = list(self.replay.batches)
        return DataLoader(batches, batch_size=None, collate_fn=_as_it_is)

    def _prepare_inputs(self, batch: MicroBatch) -> dict[str, Any]:
        """The tensors of a micro-batch, with reference log-probs, in the form TRL's loss wants them."""
        encoded = self._encoded(batch)
        mask = encoded.spoken.mask
        inputs: dict[str, Any] = {
            "prompt_ids": encoded.spoken.prompt_ids,
            "prompt_mask": encoded.spoken.prompt_mask,
            "completion_ids": encoded.spoken.ids,
            "completion_mask": mask,
            "tool_mask": (1 - encoded.anchors)[:, None].expand_as(mask),  # TRL's loss skips anchors
            "anchor_mask": encoded.anchors[:, None] * mask,
            "advantages": encoded.advantages,
            "sampling_per_token_logps": encoded.logprobs,
            **self._normaliser(batch),
        }
        corrected = [self.replay.corrected(self.replay.rows[place]) for place in batch.rows]
        inputs["corrected"] = torch.tensor([*corrected, *[False] * (batch.size - len(corrected))], device=mask.device)
        if self.replay.ratio_to_start:
            inputs["old_per_token_logps"] = self._before(batch, encoded.logprobs)
        # Asked of the update, not of these rows: sharded models run on all processes or on none.
        has_anchors = self.replay.rows_and_anchors(batch.update)[1] > 0
        if self.beta or (has_anchors and self.anchor_model is None):
            inputs["ref_per_token_logps"] = self._reference_logprobs(self.ref_model)
        if has_anchors:
            inputs["anchor_per_token_logps"] = (
                inputs["ref_per_token_logps"]
                if self.anchor_model is None
                else self._reference_logprobs(self.anchor_model)
            )
        return inputs

    def _encoded(self, batch: MicroBatch) -> Encoded:
        """The rows of a micro-batch as tensors; from here on the log-probs that are asked for are theirs."""
        rows = [self.replay.rows[place] for place in batch.rows]
        filler = [self.replay.rows[self.replay.updates[batch.update].start]] * (batch.size - len(rows))
        encoded = encode_rows(self.processing_class, rows, filler, self.accelerator.device)
        self._spoken, self._pictures = encoded.spoken, encoded.pictures
        return encoded

    @torch.no_grad()
    def compute_start(self) -> None:
        """Keep the policy's own log-probs of before the first update, where the ratio divides by them."""
        if not self.replay.ratio_to_start or not any(map(self.replay.corrected, self.replay.rows)):
            return
        self.model.eval()
        for batch in self.replay.batches:
            self._encoded(batch)
            self._start |= zip(batch.rows, self._logprobs(self.model)[0].cpu(), strict=False)
        self.model.train()
        scatter_again(self.model)

    def _before(self, batch: MicroBatch, stored: torch.Tensor) -> torch.Tensor:
        """[B, T]: the stored log-probs, or for rows that get a weight those of before the first update."""
        before = stored.clone()
        for number, place in enumerate(batch.rows):
            if self.replay.corrected(self.replay.rows[place]):
                before[number] = self._start[place]
        return before

    def _normaliser(self, batch: MicroBatch) -> dict[str, torch.Tensor]:
        """What makes TRL's means over micro-batches, steps and processes a mean over the update's real rows.

        TRL's loss of a micro-batch of b rows is (their sum) / (b · steps) and processes are averaged; with n real rows
        the factor is b · steps · processes / n. For dapo TRL divides by a number of tokens that is given here.
        """
        loss = self.replay.recipe.train.loss
        steps, processes = self.current_gradient_accumulation_steps, self.accelerator.num_processes
        rows, anchors = self.replay.rows_and_anchors(batch.update)
        factor = batch.size * steps * processes / max(1, rows)
        if loss == "bnpo":
            factor = steps * processes / -(-rows // self.replay.recipe.train.micro_batch)
        tokens = self.replay.tokens(batch.update) * self.args.steps_per_generation / steps
        device = self.accelerator.device
        return {
            "loss_factor": torch.tensor(1.0 if loss == "dapo" else factor, device=device),
            "anchor_factor": torch.tensor(processes / max(1, anchors), device=device),
            "num_items_in_batch": torch.tensor(tokens, device=device),
        }

    @torch.no_grad()
    def _reference_logprobs(self, reference: Any) -> torch.Tensor:
        """[B, T]: of the same distribution, under the rules that the policy's completions were drawn by."""
        if reference is not None:
            return self._logprobs(reference)[0]
        with self.accelerator.unwrap_model(self.model).disable_adapter():
            return self._logprobs(self.model)[0]

    def _logprobs(self, model: Any) -> torch.Tensor:
        with self.accelerator.autocast():
            return completion_logprobs(model, self._spoken, self._pictures)

    def _get_per_token_logps_and_entropies(self, model: Any, *_: Any, **__: Any) -> tuple[torch.Tensor, Any, None]:
        """Log-probs and entropies [B, T] of the micro-batch, which TRL's loss asks for here."""
        self._latest = self._logprobs(model)
        self._weigh(self._inputs, self._latest[0].detach())
        return self._latest[0], self._latest[1], None

    def _weigh(self, inputs: dict[str, Any], logprobs: torch.Tensor) -> None:
        """Set the importance weights [B, T] that TRL's loss multiplies with."""
        train, sampled = self.replay.recipe.train, inputs["sampling_per_token_logps"]
        old = inputs.get("old_per_token_logps", logprobs)
        found = weights(mode_of(train), train.correction_cap, old, sampled, inputs["completion_mask"])
        inputs["importance_sampling_ratio"] = found.where(inputs["corrected"][:, None], 1.0)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        self._inputs = inputs
        loss: torch.Tensor = super()._compute_loss(model, inputs) * inputs["loss_factor"]
        logprobs, entropy = self._latest
        anchoring = self._anchor_loss(inputs, logprobs)
        self.tally.add(inputs, logprobs.detach(), entropy.detach(), (loss + anchoring).detach())
        return loss + anchoring

    def _anchor_loss(self, inputs: dict[str, Any], logprobs: torch.Tensor) -> torch.Tensor:
        """Of this micro-batch's anchors: weight · mean over the update's anchors of their mean KL a token."""
        if "anchor_per_token_logps" not in inputs:
            return logprobs.new_zeros(())
        mask = inputs["anchor_mask"].bool()
        # Other rows may be so far off that their KL overflows, and 0 times that has no gradient.
        kl = k3(logprobs.where(mask, 0.0), inputs["anchor_per_token_logps"].where(mask, 0.0))
        held = (kl.sum(dim=1) / mask.sum(dim=1).clamp(min=1)).sum()
        loss: torch.Tensor = self.replay.recipe.train.anchor_kl * held * inputs["anchor_factor"]
        return loss

    def _clip_grad_norm(self, model: Any) -> Any:
        """Clip, record the update, and stop before the weights change if something is off."""
        norm = super()._clip_grad_norm(model)
        update = self.replay.done + len(self.records) + 1
        record: dict[str, Any] = {
            "update": update,
            **self.tally.finish(self.accelerator),
            "grad_norm": float(whole(norm)),
        }
        record["learning_rate"] = self.lr_scheduler.get_last_lr()[0]
        self._refuse(record)
        self.records.append(record)
        self.replay.progress.advance(note=f"loss {record['loss']:.4f}")
        return norm

    def _refuse(self, record: dict[str, Any]) -> None:
        replay = self.replay
        if not self.records:
            check_gap(record, replay.recipe, replay.rows, replay.sampler, replay.off_policy)
        if not all(abs(record[name]) < float("inf") for name in ("loss", "grad_norm")):
            raise VzError(
                f"update {record['update']}: loss {record['loss']}, gradient norm {record['grad_norm']}: not finite; "
                "the weights are as they were before this call. Lower train.learning_rate, or set train.precision: fp32"
            )

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LambdaLR:
        """The run's schedule, from the update that this call starts at."""
        replay, train = self.replay, self.replay.recipe.train
        if self.lr_scheduler is None:
            inner: Any = getattr(self.optimizer, "optimizer", self.optimizer)
            self.lr_scheduler: LambdaLR = LambdaLR(
                inner,
                lambda step: replay.rate_share * rate(replay.done + step, replay.total, train.warmup, train.schedule),
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def _get_num_items_in_batch(self, batch_samples: object, device: object) -> None:
        return None  # the loop's own normaliser, which wants labels; `_normaliser` is ours

    def floating_point_ops(self, inputs: object) -> int:
        return 0  # the loop asks for a count that nobody reads


class _Hooks(TrainerCallback):  # type: ignore[misc]
    """What happens before the first update and before each."""

    def __init__(self, trainer: ReplayTrainer) -> None:
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._trainer.compute_start()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Random numbers of an update (LoRA dropout) depend on its number in the run, not on where a call began."""
        trainer = self._trainer
        update = trainer.replay.done + state.global_step
        torch.manual_seed(derive(trainer.replay.recipe.seed, "train", update, trainer.accelerator.process_index))


def _as_it_is(batch: Any) -> Any:
    return batch


def _no_reward(**_: object) -> list[float]:
    raise RuntimeError("stored rows have their advantages; no reward is ever computed")
