"""How a family of models takes prefix trees: the positions of tokens, and what each token sees.

A tree enters through the model's own forward pass, with explicit position ids and a 4-d attention mask. The self-check
(`stages.train.agreement`) decides whether a model computes the same that way as from plain rows.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import is_peft_model

from stages.core.errors import VzError
from stages.core.vlm.prompts import Prompt
from stages.train import attention
from stages.train.tree import Form, Pack, padded

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FULL, SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True)
class Flat:
    """The trees of a batch as B padded sequences of L tokens, on the CPU."""

    ids: torch.Tensor  # [B, L]
    positions: torch.Tensor  # [B, L], or [A, B, L] for models with several axes
    depth: torch.Tensor  # [B, L], tokens before each on its path
    until: torch.Tensor  # [B, L], see `Tree.seen_until`; padding sees only itself
    blocks: torch.Tensor  # [B, L], the number of the picture whose tokens all see each other, or −1


class Layout:
    """What a model's configuration says about positions and masks. `form` is one of those with trees."""

    def __init__(self, model: PreTrainedModel, form: Form) -> None:
        self._form = form
        model = model.get_base_model() if is_peft_model(model) else model
        config: Any = model.config.get_text_config()
        layers = set(getattr(config, "layer_types", None) or ())
        self.window: int | None = getattr(config, "sliding_window", None)
        self.by_layer = SLIDING in layers
        self._other_layers = sorted(layers - {FULL, SLIDING})
        self._kernel = getattr(config, "_attn_implementation", None)
        self.image_token: int | None = getattr(model.config, "image_token_id", None)
        self._rope: Any = getattr(model.base_model, "get_rope_index", None)

    def positions(self, prompt: Prompt, answer: int) -> torch.Tensor:
        """[P + answer] positions of a plain row, or [A, P + answer]: the model's own for the prompt, then onwards."""
        length = len(prompt.ids)
        if self._rope is None:
            return torch.arange(length + answer)
        ids = torch.tensor([prompt.ids])
        known = inspect.signature(self._rope).parameters
        types = {name: torch.tensor([value]) for name, value in prompt.types.items()}
        given = {name: value for name, value in {**types, **prompt.pictures}.items() if name in known}
        found, delta = self._rope(input_ids=ids, attention_mask=torch.ones_like(ids), **given)
        after = torch.arange(length, length + answer) + int(delta.flatten()[0])
        return torch.cat([found[:, 0], after.expand(found.shape[0], answer)], dim=1)

    def flat(self, trees: Pack, prompts: Sequence[Prompt], answers: Sequence[Sequence[int]], pad: int) -> Flat:
        """The tensors of `trees`. `prompts` and `answers` (without their last token) belong to their rows in order."""
        size = len(trees), padded(max(tree.length for tree in trees))
        ids = torch.full(size, pad)
        depth = torch.zeros(size, dtype=torch.long)
        until = torch.arange(1, size[1] + 1).repeat(size[0], 1)
        blocks = torch.full(size, -1)
        places, found = [], []
        texts = zip(prompts, answers, strict=True)
        for number, tree in enumerate(trees):
            until[number, : tree.length] = torch.tensor(tree.seen_until())
            used = 0
            for branch, (prompt, answer) in zip(tree.branches, texts, strict=False):
                new = slice(used, used := used + branch.new)
                ids[number, new] = torch.tensor([*prompt.ids, *answer])[branch.shared :]
                depth[number, new] = torch.arange(branch.shared, branch.length)
                blocks[number, new] = _blocks(prompt, branch.length, int(blocks[number].max()) + 1)[branch.shared :]
                places.append((number, new))
                found.append(self.positions(prompt, len(answer))[..., branch.shared :])
        positions = torch.zeros((*found[0].shape[:-1], *size), dtype=torch.long)
        for (number, new), row in zip(places, found, strict=True):
            positions[..., number, new] = row
        return Flat(ids, positions, depth, until, blocks)

    def attention_mask(
        self, flat: Flat, trees: Pack, dtype: torch.dtype, device: torch.device
    ) -> torch.Tensor | dict[str, torch.Tensor]:
        """The model's attention mask. `VzError` if a mask cannot express what each token sees."""
        if self._other_layers:
            raise VzError(f"its layers of the kind {self._other_layers[0]} compute over whole sequences")
        if self._form == "batch":
            return self._masks(flat, dtype, device)
        if self._kernel != attention.NAME:
            raise VzError(f"its attention is computed by {self._kernel}, not {attention.NAME}")
        if self.window is not None or (flat.blocks >= 0).any():
            raise VzError("its tokens see more or less than their paths")
        return attention.mask_of(attention.paths_of(trees[0], flat.ids.shape[1], device), dtype)

    def _masks(self, flat: Flat, dtype: torch.dtype, device: torch.device) -> torch.Tensor | dict[str, torch.Tensor]:
        """[B, 1, L, L]: 0 where a token sees another, the lowest number elsewhere; by kind of layer if there are two.

        A token sees its path, and the whole of a picture whose tokens see each other. Sliding layers see only the
        path's last tokens.
        """
        until, depth, blocks = (each.to(device) for each in (flat.until, flat.depth, flat.blocks))
        places = torch.arange(until.shape[1], device=device)
        queries, keys = places[:, None], places[None, :]
        seen = (keys <= queries) & (queries < until[:, None, :])
        if (flat.blocks >= 0).any():
            seen |= (blocks[:, :, None] == blocks[:, None, :]) & (blocks[:, :, None] >= 0)
        if self.window is None or (int(flat.depth.max()) < self.window and not self.by_layer):
            return _additive(seen, dtype)
        near = seen & (depth[:, None, :] > depth[:, :, None] - self.window)
        if not self.by_layer:
            return _additive(near, dtype)
        return {FULL: _additive(seen, dtype), SLIDING: _additive(near, dtype)}


def _blocks(prompt: Prompt, length: int, first: int) -> torch.Tensor:
    """[length]: a number from `first` for each run of picture tokens in the prompt, −1 for all other tokens.

    Only models with `token_type_ids` let a picture's tokens see later ones.
    """
    found = torch.full((length,), -1)
    types = torch.tensor(prompt.types.get("token_type_ids", []))
    shown = types == 1
    begins = shown & ~torch.cat([shown.new_zeros(min(1, len(shown))), shown[:-1]])
    found[: len(types)] = torch.where(shown, begins.cumsum(0) - 1 + first, -1)
    return found


def _additive(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    hidden = torch.full((), torch.finfo(dtype).min, dtype=dtype, device=seen.device)
    return torch.where(seen, hidden.new_zeros(()), hidden)[:, None]
