"""Importance weights for completions that another implementation sampled.

With μ the probability that the sampler gave a token and π_old what the importance ratio divides by, a token's weight is
π_old / μ, so that ratio · weight = π / μ before clipping and capping. It multiplies the policy's term of the loss, not
the KL term, and has no gradient. Modes, caps and their meaning are TRL's (truncated importance sampling).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.core.engines.base import sampler_name
from stages.core.recipe.train import Train
from stages.train.rows import Row

if TYPE_CHECKING:
    import torch


def own_sampler(*, bf16: bool) -> str:
    """How rows name an engine that computes as training does."""
    return sampler_name("transformers", "bfloat16" if bf16 else "float32")


def corrects(train: Train, row: Row, own: str) -> bool:
    """Whether this row gets a weight."""
    if train.ratio == "sampled" or train.correction == "off":
        return False
    return train.correction != "auto" or row.sampler != own


def mode_of(train: Train) -> str:
    """The mode for rows that get a weight."""
    return "token_truncate" if train.correction in {"auto", "off"} else train.correction


def weights(mode: str, cap: float, old: torch.Tensor, sampled: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """[B, T] of log-probs [B, T]: ratios of each token or of its whole answer, capped, or 0 where above the cap."""
    difference = (old - sampled) * mask
    if mode.startswith("sequence"):
        difference = difference.sum(dim=1, keepdim=True).expand_as(mask)
    ratio = difference.exp()
    return ratio.clamp(max=cap) if mode.endswith("truncate") else ratio.masked_fill(ratio > cap, 0.0)
