"""Attention for vision towers that divide pictures into windows, such as Qwen2.5-VL's: one call per layer.

Under SDPA, transformers calls the kernel once per window: 424 times for a 480×320 picture in Qwen2.5-VL. Here, all
windows of a layer are rows of one call. transformers passes windows undivided only to flash attention implementations,
so this one has a name like theirs.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PreTrainedModel

NAME = "vz_flash_windows"


def attend_at_once(model: PreTrainedModel) -> None:
    """Make the towers of `model` that attend in windows under SDPA use a single call."""
    AttentionInterface.register(NAME, _attend)
    for module in model.modules():
        config: Any = getattr(module, "config", None)
        if config is not None and getattr(config, "_attn_implementation", None) == "sdpa" and _is_windowed(module):
            config._attn_implementation = NAME


def _is_windowed(module: torch.nn.Module) -> bool:
    return hasattr(module, "is_causal") and "cu_seqlens" in inspect.signature(module.forward).parameters


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    cu_seq_lens_q: torch.Tensor,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """[1, N, heads, width] of [1, heads, N, width]: windows begin and end at `cu_seq_lens_q`."""
    lengths = cu_seq_lens_q.diff()
    inside = torch.arange(int(lengths.max()), device=query.device)
    is_real = inside < lengths[:, None]  # [windows, longest]
    places = (cu_seq_lens_q[:-1, None] + inside).clamp(max=query.shape[2] - 1)
    query, key, value = (states[0][:, places].transpose(0, 1) for states in (query, key, value))
    mask = None if bool(is_real.all()) else is_real[:, None, None]
    found = scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout, scale=scaling)
    return found.transpose(1, 2)[is_real][None], None
