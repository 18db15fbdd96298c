"""TensorBoard: event files in the run's folder `tensorboard`."""

from __future__ import annotations

import os
import shlex
from typing import Any

import numpy as np
import polars as pl

from stages.track.record import Record
from stages.track.tracker import Run

FOLDER = "tensorboard"


class ToTensorBoard:
    """Purges what a killed run wrote after its last known round, so that each round appears once."""

    def __init__(self, run: Run) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder, following = run.folder / FOLDER, run.sent + 1
        self.where = f"tensorboard --logdir {shlex.quote(os.path.relpath(folder))}"
        self._writer: Any = SummaryWriter(str(folder), purge_step=following if run.sent >= 0 else None)
        self._writer.add_text("recipe", f"```yaml\n{run.recipe}```", following)

    def log(self, record: Record) -> None:
        writer, number = self._writer, record.number
        for name, value in record.figures.items():
            writer.add_scalar(name, value, number, walltime=record.when)
        for name, table in record.tables.items():
            writer.add_text(name, _markdown(table), number, walltime=record.when)
        for place, game in enumerate(record.games, start=1):
            pixels = np.asarray(game.side_by_side())
            writer.add_image(f"games/{place}", pixels, number, walltime=record.when, dataformats="HWC")
            writer.add_text(f"games/{place}", game.text, number, walltime=record.when)
        writer.flush()

    def close(self) -> None:
        self._writer.close()


def _markdown(table: pl.DataFrame) -> str:
    lines = [table.columns, ["---"] * len(table.columns), *table.iter_rows()]
    return "\n".join("| " + " | ".join("" if cell is None else str(cell) for cell in line) + " |" for line in lines)


open_tracker = ToTensorBoard
