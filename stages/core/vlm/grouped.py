"""Attention in which several query heads share keys and values without copying them: `model.attention: grouped`.

transformers' `eager` repeats keys and values for each query head, and so does its `sdpa` if there is a mask. When
sampling answers on a CPU, most of the time goes into these copies. Here, the queries of a group are rows of one
product. The results are the same as with `eager`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

NAME = "grouped"


def register() -> None:
    """Register the name with transformers."""
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, eager_mask)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """[B, Q, H, D] of queries [B, H, Q, D], and keys and values [B, H / G, K, D]; the mask is [B, 1, Q, K], added."""
    batch, heads, length, width = query.shape
    groups = key.shape[1]
    rows = query.reshape(batch, groups, -1, width)  # the queries of a group, head after head
    scores = torch.matmul(rows, key.transpose(2, 3)) * (width**-0.5 if scaling is None else scaling)
    if attention_mask is not None:
        scores = (scores.view(batch, groups, -1, length, key.shape[2]) + attention_mask[:, :, None]).view_as(scores)
    shares = functional.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    shares = functional.dropout(shares, p=dropout, training=module.training)
    found = torch.matmul(shares, value).view(batch, heads, length, width)
    return found.transpose(1, 2).contiguous(), None
