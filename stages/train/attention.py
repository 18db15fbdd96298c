"""Attention in a flat sequence of prefix trees: each row's new tokens look along the path of their row.

transformers looks up attention functions by name. This one replaces `sdpa`. If the mask comes from `mask_of`, it
computes only pairs of tokens on the same path. It leaves everything else to transformers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from stages.train.tree import Tree

NAME = "sdpa"


@dataclass(frozen=True)
class Paths:
    """Where the tokens of a flat sequence look. Branches come one after another, and each looks along its own path."""

    queries: tuple[int, ...]  # new tokens of each branch
    keys: tuple[int, ...]  # tokens of each path, whose last are these new tokens
    places: torch.Tensor  # of the paths' tokens in the sequence, path by path
    masks: dict[tuple[Any, ...], torch.Tensor] = field(default_factory=dict)  # those made so far

    def mask(self, new: int, whole: int, groups: int, like: torch.Tensor) -> torch.Tensor:
        """[groups × new, whole] to add to scores: 0 along the path, the lowest number behind it."""
        key = new, whole, groups, like.dtype
        if key not in self.masks:
            behind = torch.ones((new, whole), dtype=torch.bool, device=like.device).triu(whole - new + 1)
            added = torch.zeros((new, whole), dtype=like.dtype, device=like.device)
            self.masks[key] = added.masked_fill(behind, torch.finfo(like.dtype).min).repeat(groups, 1)
        return self.masks[key]


def paths_of(tree: Tree, length: int, device: torch.device) -> Paths:
    """The paths of a tree whose sequence is padded to `length`; the padding looks along itself."""
    pairs = [(branch.new, path) for branch, path in zip(tree.branches, tree.paths(), strict=True) if branch.new]
    if length > tree.length:
        pairs.append((length - tree.length, list(range(tree.length, length))))
    places = torch.tensor([place for _, path in pairs for place in path], device=device)
    return Paths(tuple(new for new, _ in pairs), tuple(len(path) for _, path in pairs), places)


def mask_of(paths: Paths, dtype: torch.dtype) -> torch.Tensor:
    """What a model takes for its 4-d attention mask, and passes on to attention unchanged."""
    mask: Any = torch.zeros((1, 1, 1, 1), dtype=dtype, device=paths.places.device)
    mask.vz_paths = paths
    found: torch.Tensor = mask
    return found


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, paths: Paths, dropout: float, scale: float | None
) -> torch.Tensor:
    """[1, L, heads, width] from queries [1, heads, L, width] and keys and values of as many heads or fewer."""
    if torch.is_autocast_enabled(query.device.type):
        dtype = torch.get_autocast_dtype(query.device.type)
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    parts = zip(
        torch.split(query, [*paths.queries], dim=2),
        torch.split(key.index_select(2, paths.places), [*paths.keys], dim=2),
        torch.split(value.index_select(2, paths.places), [*paths.keys], dim=2),
        strict=True,
    )
    found = [_along(*part, paths, {"dropout_p": dropout, "scale": scale}).transpose(1, 2) for part in parts]
    return torch.cat(found, dim=1)


def _along(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, paths: Paths, options: dict[str, Any]
) -> torch.Tensor:
    """One branch: the last tokens of a path look along it."""
    (_, heads, new, width), (_, shared, whole, _) = query.shape, key.shape
    if new == whole:
        return scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=heads > shared, **options)
    if query.is_cuda:
        bias: Any = causal_lower_right(new, whole)
        return scaled_dot_product_attention(query, key, value, attn_mask=bias, enable_gqa=heads > shared, **options)
    folded = query.reshape(1, shared, heads // shared * new, width)  # so that keys need not be copied for each head
    mask = paths.mask(new, whole, heads // shared, query)
    found = scaled_dot_product_attention(folded, key, value, attn_mask=mask, **options)
    return found.reshape(1, heads, new, width)


def _forward(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    paths = getattr(attention_mask, "vz_paths", None)
    if paths is not None:
        return attend(query, key, value, paths, dropout, scaling), None
    found: tuple[torch.Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
    )
    return found


AttentionInterface.register(NAME, _forward)
