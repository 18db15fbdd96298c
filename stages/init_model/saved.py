"""Saves a teaching to disk, so that an interrupted one can continue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from stages.core.folder.files import replace_file

if TYPE_CHECKING:
    from stages.init_model.teach import Teacher


class SavedTeaching:
    """The saved state of a teaching, from which it continues with the same bytes. Without a path, saves nothing."""

    def __init__(self, path: Path | None, teacher: Teacher) -> None:
        self._path, self._teacher = path, teacher
        self._found: dict[str, Any] | None = None
        if path is not None and path.is_file():
            self._found = torch.load(path, weights_only=True)
            teacher.taken = self._found["taken"]
            for name, weight in self._learning():  # here, since there may be no part left to begin
                weight.data.copy_(self._found["weights"][name])

    def begin(self, part: str, optimizer: torch.optim.Optimizer) -> int:
        """The step from which a part continues: 0 for a new part, beyond the last step for a finished one."""
        found = self._found
        teacher = self._teacher
        if part in teacher.taken:
            return 1 << 30
        if found is None:
            return 0
        teacher.dice.setstate(found["dice"])
        torch.set_rng_state(found["torch"])
        self._found = None
        if found["part"] != part:
            return 0
        optimizer.load_state_dict(found["optimizer"])
        return int(found["step"])

    def keep(self, part: str, step: int | None, optimizer: torch.optim.Optimizer) -> None:
        """Write the teaching's state. `step` None: the part is done."""
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
