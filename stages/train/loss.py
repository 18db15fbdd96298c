"""The loss: eq. 3 (clues) and eq. 6 (votes) of Vision-Zero.

    L(θ) = −E[ A · log π(u) ] + τ · KL(π ‖ π_ref)

The equations differ only in the advantage A: it comes from eq. 2 for clues, and from eq. 5 for votes. Each token of a
completion adds

    ℓ = −w · min(ρ A, clip(ρ, 1 − ε, 1 + ε) A) + τ · k3

- ρ = π / π_old is the importance ratio of PPO. In the only update of a round π_old is π itself: ρ is 1, and its
  gradient is that of log π.
- w corrects rows whose sampler computes probabilities that differ from the trainer's. It is 1 if both agree.
- k3 estimates the KL divergence to the reference.

Rows of the phase that does not train now are anchors: they add only `train.anchor_kl` times their mean KL. Rows outside
the game are answers of the base to other prompts: they add only `train.outside_kl` times their mean KL(π_base ‖ π). The
base has sampled them, so k3 with the models exchanged estimates it without bias. Its gradient is that of −log π.

Shapes: a micro-batch has B completions of up to T tokens. Log-probs are in nats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from stages.core.recipe.train import Train
    from stages.train.encode import Batch
    from stages.train.plan import UpdateSize


def loss_of(batch: Batch, logprobs: torch.Tensor, size: UpdateSize, train: Train) -> torch.Tensor:
    """This micro-batch's share of the update's loss. The shares of all micro-batches add up to the loss.

    `logprobs` [B, T] are log π of the completions' tokens; only they have a gradient.
    """
    learns, anchor, outside = batch.learns, batch.is_anchor, batch.is_outside  # [B]
    old = logprobs.detach() if batch.old is None else batch.old
    weights = importance_weights(train, old, batch.sampled, batch.mask).where(batch.is_corrected[:, None], 1.0)
    per_token = -weights[learns] * clipped_gain(logprobs[learns], old[learns], batch.advantages[learns], train.clip)
    if train.kl:
        assert batch.reference is not None
        per_token = per_token + train.kl * k3(logprobs[learns], batch.reference[learns])
    loss = mean_over_update(per_token, batch.mask[learns], train.loss, size)
    if batch.anchor_reference is not None:
        kl = k3(logprobs[anchor], batch.anchor_reference[anchor])
        loss = loss + train.anchor_kl * mean_of_rows(kl, batch.mask[anchor]).sum() / size.anchors
    if train.outside_kl and size.outside:
        assert batch.reference is not None
        kl = k3(batch.reference[outside], logprobs[outside])
        loss = loss + train.outside_kl * mean_of_rows(kl, batch.mask[outside]).sum() / size.outside
    return loss


def clipped_gain(logprobs: torch.Tensor, old: torch.Tensor, advantages: torch.Tensor, clip: float) -> torch.Tensor:
    """[B, T]: min(ρ A, clip(ρ) A) for log π and log π_old [B, T] and advantages [B]."""
    ratio, advantage = (logprobs - old).exp(), advantages[:, None]
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def k3(logprobs: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """[B, T]: the estimate of KL(π ‖ π_ref) from tokens that π sampled, π_ref/π − log(π_ref/π) − 1."""
    difference = reference - logprobs
    return difference.exp() - difference - 1


def importance_weights(train: Train, old: torch.Tensor, sampled: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """[B, T]: w = π_old / π_sampler of each token, or of its whole completion, so that ρ · w = π / π_sampler.

    A weight above `train.correction_cap` is set to the cap (`truncate`) or to 0 (`mask`).
    """
    mode = "token_truncate" if train.correction in {"auto", "off"} else train.correction
    difference = (old - sampled) * mask
    if mode.startswith("sequence"):
        difference = difference.sum(dim=1, keepdim=True).expand_as(mask)
    ratio, cap = difference.exp(), train.correction_cap
    return ratio.clamp(max=cap) if mode.endswith("truncate") else ratio.masked_fill(ratio > cap, 0.0)


def mean_over_update(per_token: torch.Tensor, mask: torch.Tensor, kind: str, size: UpdateSize) -> torch.Tensor:
    """This micro-batch's share of the mean of `per_token` [B, T] over an update, as `train.loss` averages it."""
    match kind:
        case "grpo":  # over the tokens of a completion, then over completions
            return mean_of_rows(per_token, mask).sum() / size.rows
        case "dapo":  # over all tokens
            return (per_token * mask).sum() / size.tokens
        case "dr_grpo":  # over completions, as if each had the longest length allowed
            return (per_token * mask).sum() / (size.rows * size.longest)
        case _:  # bnpo: over the tokens of a micro-batch, then over micro-batches
            return (per_token * mask).sum() / mask.sum().clamp(min=1) / size.micro_batches


def mean_of_rows(per_token: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """[B]: the mean over the tokens of each completion."""
    return (per_token * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
