"""Log-probs of completions: the head that computes them and the forward pass through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from trl.trainer.utils import add_fused_lm_head

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def add_head(model: PreTrainedModel, temperature: float) -> None:
    """Let `model` compute log-probs at this temperature without logits of all tokens in memory."""
    add_fused_lm_head(model, temperature=temperature)


def completion_logprobs(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, length: int, pictures: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Log-probs and entropies [B, T] of the last `length` tokens of `ids`, nats; a reference has no entropies.

    `pictures` go to the model as the processor made them, under whatever names: tiles, grids, sizes and token types
    need no bookkeeping.
    """
    labels = ids.masked_fill(mask == 0, -100)
    labels[:, :-length] = -100
    made = model(input_ids=ids, attention_mask=mask, **pictures, labels=labels, fused_lm_head=True)
    return made.log_probs[:, -length:], None if made.entropy is None else made.entropy[:, -length:]
