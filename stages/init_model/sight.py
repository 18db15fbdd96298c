"""What the eyes learn without the language model: the content of every cell, and which words it resembles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from stages.core.clevr.vocabulary import CHANGEABLE
from stages.init_model.lessons import Thing, View

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor


class CellHeads(nn.Module):
    """Predicts attributes (0 = empty) from the projector's output for each cell; only for teaching."""

    def __init__(self, width: int, attributes: Sequence[str]) -> None:
        super().__init__()
        self.heads = nn.ModuleList([nn.Linear(width, 1 + len(CHANGEABLE[name])) for name in attributes])

    def loss(self, seen: Tensor, cells: Tensor) -> Tensor:
        """Cross entropy of `seen` [pictures, cells, width] against `cells` [pictures, cells, attributes]."""
        flat, target = seen.flatten(0, 1), cells.flatten(0, 1)
        first, *others = [
            functional.cross_entropy(head(flat), target[:, place]) for place, head in enumerate(self.heads)
        ]
        return sum(others, start=first)


def cell_labels(views: list[View], attributes: Sequence[str]) -> Tensor:
    """[views, cells, attributes]: each attribute of each cell, from 1 in vocabulary order; 0 if it is empty."""
    rows = [
        [
            [0 if thing is None else 1 + CHANGEABLE[name].index(getattr(thing, name)) for name in attributes]
            for thing in view.cells
        ]
        for view in views
    ]
    return torch.tensor(rows)


class WordTargets:
    """A target for each visual token: the sum of the word embeddings of what its cell contains."""

    def __init__(self, model: LlavaForConditionalGeneration, processor: LlavaProcessor, views: Sequence[View]) -> None:
        from stages.init_model.graft import word_scale

        self.scale = word_scale(model)
        embeddings, tokenizer = model.get_input_embeddings().weight.detach().float(), processor.tokenizer

        def word(text: str) -> Tensor:
            ids = tokenizer(f" {text}", add_special_tokens=False)["input_ids"]
            mean: Tensor = embeddings[ids].mean(0) / self.scale
            return mean

        words = {text: word(text) for values in CHANGEABLE.values() for text in values}
        empty = word(".")

        def target(thing: Thing | None) -> Tensor:
            return empty if thing is None else words[thing.color] + words[thing.shape] + words[thing.material]

        self._targets = torch.stack([torch.stack([target(thing) for thing in view.cells]) for view in views])
        self._weights = 1.0 + 2.0 * torch.tensor([[thing is not None for thing in view.cells] for view in views])

    def distance(self, seen: Tensor, rows: Sequence[int]) -> Tensor:
        """The mean squared error of `seen` [pictures, cells, width]; a cell that is not empty counts threefold."""
        squares = (seen - self._targets[rows]).square().mean(-1)
        return (squares * self._weights[rows]).mean()
