"""The loss equals TRL's, and plain torch written row by row, on random tensors."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from stages.core.recipe.train import Train
from stages.train.encode import Batch
from stages.train.logprobs import Completions
from stages.train.loss import importance_weights, loss_of
from stages.train.plan import UpdateSize

ROWS, TOKENS, LONGEST, STEPS = 6, 7, 16, 3
LOSSES = ["grpo", "dapo", "dr_grpo", "bnpo"]
CORRECTIONS = ["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"]


def random_batch(seed: int = 0, *, old: bool = True, anchors: int = 0) -> tuple[Batch, torch.Tensor]:
    """A micro-batch whose last `anchors` rows are anchors, and log-probs that need a gradient."""
    draw = torch.Generator().manual_seed(seed)

    def near(values: torch.Tensor, spread: float) -> torch.Tensor:
        return values + spread * torch.randn(ROWS, TOKENS, generator=draw)

    lengths = torch.randint(1, TOKENS + 1, (ROWS, 1), generator=draw)
    mask = (torch.arange(TOKENS) < lengths).long()
    logprobs = -2 * torch.rand(ROWS, TOKENS, generator=draw)
    ids, one = torch.zeros((ROWS, TOKENS), dtype=torch.long), torch.ones(ROWS)
    is_anchor = torch.arange(ROWS) >= ROWS - anchors
    batch = Batch(
        Completions(ids, mask, ids, ids, one, one),
        {},
        None,
        torch.float32,
        torch.randn(ROWS, generator=draw),
        near(logprobs, 0.5) * mask,
        is_anchor,
        torch.zeros(ROWS, dtype=torch.bool),
        torch.arange(ROWS) % 2 == 0,
        near(logprobs, 0.3) if old else None,
        near(logprobs, 0.4),
        near(logprobs, 0.4) if anchors else None,
    )
    return batch, logprobs.requires_grad_()


def size_of(batch: Batch) -> UpdateSize:
    """The update of which the batch is one of `STEPS` equal micro-batches."""
    learns = batch.mask[~batch.is_anchor]
    return UpdateSize(STEPS * len(learns), int(batch.is_anchor.sum()), STEPS * int(learns.sum()), STEPS, LONGEST)


def by_trl(batch: Batch, logprobs: torch.Tensor, train: Train) -> torch.Tensor:
    """What TRL's trainer computes from the same tensors, in a step of `STEPS` micro-batches."""
    from trl import GRPOTrainer

    accelerator = SimpleNamespace(
        num_processes=1, reduce=lambda value, **_: value, gather=lambda value: value, sync_gradients=False
    )
    old = logprobs.detach() if batch.old is None else batch.old
    weights = importance_weights(train, old, batch.sampled, batch.mask).where(batch.is_corrected[:, None], 1.0)
    inputs = {
        "prompt_ids": batch.completions.prompt_ids,
        "prompt_mask": torch.ones_like(batch.completions.prompt_ids),
        "completion_ids": batch.completions.ids,
        "completion_mask": batch.mask,
        "advantages": batch.advantages,
        "ref_per_token_logps": batch.reference,
        "importance_sampling_ratio": weights,
        "num_items_in_batch": torch.tensor(size_of(batch).tokens),
        **({} if batch.old is None else {"old_per_token_logps": batch.old}),
    }
    trainer: Any = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (logprobs, torch.zeros_like(logprobs), None),
        accelerator=accelerator,
        args=SimpleNamespace(delta=None, use_bias_correction_kl=False, steps_per_generation=STEPS),
        aux_loss_enabled=False,
        beta=train.kl,
        current_gradient_accumulation_steps=STEPS,
        epsilon_low=train.clip,
        epsilon_high=train.clip,
        importance_sampling_level="token",
        loss_type=train.loss,
        max_completion_length=LONGEST,
        model=SimpleNamespace(training=True),
        off_policy_mask_threshold=None,
        top_entropy_quantile=1.0,
        use_vllm=True,
        vllm_importance_sampling_correction=True,
        _entropy_bonus_enabled=False,
        _metrics={"train": defaultdict(list)},
    )
    loss: torch.Tensor = GRPOTrainer._compute_loss(trainer, None, inputs)
    return loss


def by_hand(batch: Batch, logprobs: torch.Tensor, train: Train) -> torch.Tensor:
    """The mean over the update, row by row and token by token."""
    rows = []
    for number in range(ROWS):
        tokens = []
        for place in range(int(batch.mask[number].sum())):
            now, advantage = logprobs[number, place], batch.advantages[number]
            old = now.detach() if batch.old is None else batch.old[number, place]
            weight = weight_of(batch, logprobs, number, place, train) if batch.is_corrected[number] else 1.0
            ratio = torch.exp(now - old)
            gain = torch.minimum(ratio * advantage, torch.clip(ratio, 1 - train.clip, 1 + train.clip) * advantage)
            assert batch.reference is not None
            gap = batch.reference[number, place] - now
            tokens.append(-weight * gain + train.kl * (gap.exp() - gap - 1))
        rows.append(torch.stack(tokens))
    every = torch.cat(rows)
    if train.loss == "grpo":
        return torch.stack([row.mean() for row in rows]).mean() / STEPS
    return (every.sum() / (ROWS * LONGEST) if train.loss == "dr_grpo" else every.mean()) / STEPS


def weight_of(batch: Batch, logprobs: torch.Tensor, number: int, place: int, train: Train) -> float:
    """π_old / π_sampler of a token, or of all tokens of its answer, within the cap."""
    old = (logprobs if batch.old is None else batch.old).tolist()[number]
    ratios = [math.exp(a - b) for a, b in zip(old, batch.sampled[number].tolist(), strict=True)]
    ratio = math.prod(ratios[: int(batch.mask[number].sum())]) if "sequence" in train.correction else ratios[place]
    return ratio if ratio <= train.correction_cap else (0.0 if "mask" in train.correction else train.correction_cap)


def gradient(loss: torch.Tensor, logprobs: torch.Tensor) -> torch.Tensor:
    (found,) = torch.autograd.grad(loss, logprobs, retain_graph=True)
    return found


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("kl", [0.0, 0.04])
@pytest.mark.parametrize("kind", LOSSES)
def test_loss_and_gradient_equal_trls_and_plain_torch(kind: Any, kl: float, old: bool) -> None:
    train = Train(loss=kind, kl=kl, correction_cap=1.2)
    for seed in range(5):
        batch, logprobs = random_batch(seed, old=old)
        ours = loss_of(batch, logprobs, size_of(batch), train)
        for expected in (by_trl(batch, logprobs, train), by_hand(batch, logprobs, train)):
            torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(gradient(ours, logprobs), gradient(expected, logprobs))


@pytest.mark.parametrize("mode", CORRECTIONS)
def test_importance_weights_are_those_of_their_definition(mode: Any) -> None:
    train = Train(correction=mode, correction_cap=1.2)
    batch, logprobs = random_batch()
    ours, expected = loss_of(batch, logprobs, size_of(batch), train), by_hand(batch, logprobs, train)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)


def test_anchors_add_their_kl_and_nothing_else() -> None:
    train = Train(anchor_kl=0.7)
    batch, logprobs = random_batch(anchors=2)
    without = replace(batch, anchor_reference=None)
    kl = []
    for number in (ROWS - 2, ROWS - 1):
        length = int(batch.mask[number].sum())
        assert batch.anchor_reference is not None
        gap = (batch.anchor_reference - logprobs)[number, :length]
        kl.append((gap.exp() - gap - 1).mean())
    size = size_of(batch)
    added = loss_of(batch, logprobs, size, train) - loss_of(without, logprobs, size, train)
    torch.testing.assert_close(added, 0.7 * torch.stack(kl).mean(), rtol=1e-4, atol=1e-6)
    alone = gradient(loss_of(without, logprobs, size, train), logprobs)
    assert not alone[-2:].any() and alone[:-2].any()


@pytest.mark.parametrize("spoilt", ["row", "anchor"])
def test_a_row_that_overflows_cannot_spoil_gradients_of_the_other_kind(spoilt: str) -> None:
    batch, logprobs = random_batch(anchors=2)
    place = 0 if spoilt == "row" else ROWS - 1
    far = logprobs.detach().clone()
    far[place] = -200.0  # e^200 overflows
    far.requires_grad_()
    rest = ~batch.is_anchor if spoilt == "anchor" else batch.is_anchor
    assert gradient(loss_of(batch, far, size_of(batch), Train()), far)[rest].isfinite().all()
