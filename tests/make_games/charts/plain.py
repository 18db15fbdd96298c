"""A plain style and short ways to charts, for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from stages.core.recipe import Recipe, load
from stages.core.recipe.charts import ChartSettings, Kind
from stages.core.seeds import rng
from stages.make_games.charts.cutting import cut
from stages.make_games.charts.looks import Style, draw_style
from stages.make_games.charts.numbers import NO_UNIT, Unit
from stages.make_games.charts.swap import ChartTable, Series
from stages.make_games.charts.tables import Table, read_table

RED, BLUE, GREEN, YELLOW = "#e41a1c", "#377eb8", "#4daf4a", "#984ea3"  # the first colours of Set1


def recipe(*overrides: str) -> Recipe:
    return load("tiny", ["games.width=480", "games.height=320", *overrides])


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(text.encode())
    return path


def read(folder: Path, text: str, **settings: object) -> Table:
    """The table in a CSV file with this text."""
    return read_table(write(folder, f"table-{abs(hash(text))}.csv", text), ChartSettings(**settings))


def charts(table: Table, *kinds: Kind) -> list[ChartTable]:
    """What many draws make of the table."""
    drawn = (cut(table, kind, rng(kind, number)) for kind in kinds or ChartSettings().kinds for number in range(12))
    return [chart for chart in drawn if chart is not None]


def shown(
    labels: Sequence[str], *, times: bool = False, unit: Unit = NO_UNIT, **series: Sequence[float | None]
) -> ChartTable:
    columns = tuple(Series(name, tuple(values), unit) for name, values in series.items())
    return ChartTable("", "Thing", "", tuple(labels), columns, tuple(float(label) for label in labels) if times else ())


def style(**fields: object) -> Style:
    """Upright, no frills; `fields` are as given."""
    plain: dict[str, object] = {
        "sheet": "default", "palette": "Set1", "font": "DejaVu Sans", "text_scale": 1.0, "title": "left",
        "legend": "right", "note": False, "horizontal": False, "value_axis": True, "value_labels": False, "grid": False,
        "box": False, "ticks": 5, "separator": ",", "bar_width": 0.5, "bar_edge": "none", "one_colour": True,
        "marker": "", "line_width": 1.0, "from_zero": True, "hole": 0.0, "start": 90.0, "clockwise": True,
        "outside": False, "share_labels": False,
    }  # fmt: skip
    return Style(**{**draw_style(Random(0)).__dict__, **plain, **fields})


def mask(picture: NDArray[np.uint8], colour: str) -> NDArray[np.bool_]:
    """Where the picture has exactly this colour, (height, width)."""
    return (picture == [int(colour[at : at + 2], 16) for at in (1, 3, 5)]).all(axis=2)


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Beginnings and lengths of the stretches of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(start), int(end - start)) for start, end in zip(edges[::2], edges[1::2], strict=True)]
