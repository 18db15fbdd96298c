"""A plain style and short ways to charts, for the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from stages.core.recipe import Recipe, load
from stages.core.recipe.charts import Kind
from stages.make_games.charts.cells import Cell
from stages.make_games.charts.looks import Style, draw_style
from stages.make_games.charts.parts import Part
from stages.make_games.charts.tables import ChartTable, Series

SIZE = ["games.width=480", "games.height=320"]
RED, BLUE, GREEN, YELLOW = "#ff0000", "#0000ff", "#00c000", "#ffff00"


def recipe(*overrides: str) -> Recipe:
    return load("tiny", [*SIZE, *overrides])


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(text.encode())
    return path


def table(labels: Sequence[str], ordered: bool = False, **series: Sequence[float | None]) -> ChartTable:
    columns = (
        Series(name, tuple(Cell("" if value is None else f"{value:g}", value) for value in values))
        for name, values in series.items()
    )
    return ChartTable("things", "Thing", tuple(labels), tuple(columns), "", ordered)


def part(kind: Kind, shown: ChartTable) -> Part:
    return Part(kind, shown, False, len(shown.labels), len(shown.series))


def style(**fields: object) -> Style:
    """Upright, no frills, pure colours; `fields` are as given."""
    drawn = draw_style(Random(0)).__dict__
    plain: Mapping[str, object] = {
        "palette": (RED, BLUE, GREEN, YELLOW), "background": "#ffffff", "font": "DejaVu Sans", "text_scale": 1.0,
        "title": "left", "legend": "right", "note": False, "horizontal": False, "value_axis": True,
        "value_labels": False, "grid": "none", "spines": "none", "tick_marks": False, "ticks": 5, "bar_width": 0.5,
        "bar_edge": "none", "one_colour": True, "marker": "", "line_width": 1.0, "from_zero": True,
        "end_labels": False, "hole": 0.0, "start": 90.0, "clockwise": True, "outside": False, "share_labels": False,
    }  # fmt: skip
    return Style(**{**drawn, **plain, **fields})


def mask(picture: NDArray[np.uint8], colour: str) -> NDArray[np.bool_]:
    """Where the picture has exactly this colour, (height, width)."""
    return (picture == [int(colour[at : at + 2], 16) for at in (1, 3, 5)]).all(axis=2)


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Beginnings and lengths of the stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(start), int(end - start)) for start, end in zip(edges[::2], edges[1::2], strict=True)]
