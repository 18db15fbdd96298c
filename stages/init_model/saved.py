"""A teaching on disk, so that one that was interrupted goes on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from stages.core.folder.files import replace_file

if TYPE_CHECKING:
    from stages.init_model.teach import Teacher


class SavedTeaching:
    """The state of a teaching on disk, from which it goes on with the same bytes. Without a path there is none."""

    def __init__(self, path: Path | None, teacher: Teacher) -> None:
        self._path, self._teacher = path, teacher
        self._found: dict[str, Any] | None = None
        if path is not None and path.is_file():
            self._found = torch.load(path, weights_only=True)
            teacher.taken = self._found["taken"]

    def begin(self, part: str, optimizer: torch.optim.Optimizer) -> int:
        """The step at which a part goes on: 0, or beyond the last if it is done."""
        found = self._found
        teacher = self._teacher
        if part in teacher.taken:
            return 1 << 30
        if found is None:
            return 0
        for name, weight in self._learning():
            weight.data.copy_(found["weights"][name])
        teacher.dice.setstate(found["dice"])
        torch.set_rng_state(found["torch"])
        self._found = None
        if found["part"] != part:
            return 0
        optimizer.load_state_dict(found["optimizer"])
        return int(found["step"])

    def keep(self, part: str, step: int | None, optimizer: torch.optim.Optimizer) -> None:
        """Write where the teaching stands; `step` None: the part is done."""
        if self._path is None or self._found is not None:
            return
        state = {
            "part": part if step is not None else "",
            "step": step or 0,
            "taken": self._teacher.taken,
            "weights": {name: weight.detach() for name, weight in self._learning()},
            "optimizer": optimizer.state_dict(),
            "dice": self._teacher.dice.getstate(),
            "torch": torch.get_rng_state(),
        }
        temporary = self._path.with_suffix(".new")
        torch.save(state, temporary)
        replace_file(temporary, self._path)

    def _learning(self) -> list[tuple[str, nn.Parameter]]:
        named = [(name, weight) for name, weight in self._teacher.model.named_parameters() if weight.requires_grad]
        return [*named, *((f"heads.{name}", weight) for name, weight in self._teacher.heads.named_parameters())]
