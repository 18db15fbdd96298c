"""The `games.charts` part of a recipe: which charts are drawn from tables, and which swaps count as visible."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.core.recipe.base import NO_BYTE, Section

Kind = Literal["bar", "grouped", "stacked", "line", "pie"]
COLOURS = 8  # of every palette: more series or slices could not be told apart


class ChartSettings(Section):
    """How tables become pairs of charts. The paper says only: line, bar and pie, two attributes swapped."""

    kinds: tuple[Kind, ...] = Field(
        ("bar", "grouped", "stacked", "line", "pie"),
        min_length=1,
        description="Kinds of chart; a table takes turns through those that fit it (ChartQA: bars of all sorts, lines, "
        "pies).",
    )
    min_difference: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Least difference of two values that are swapped, as a share of the span of values shown: from the "
        "lowest to the highest, zero included for bars. A tenth is some 20 pixels of a plot 200 high (vz: 0.1).",
    )
    min_share: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="The same in a pie, as a share of the whole; 0.05 are 18 degrees (vz: 0.05).",
    )
    min_pixels: int = Field(
        100,
        ge=1,
        description="Pixels that must differ plainly (by over 32 of 255 in a channel) between both pictures of 480 by "
        "320; scaled to other sizes (vz: 100, half of what CLEVR wants of an object).",
    )
    most_rows: int = Field(
        12, ge=2, description="Most rows drawn as bars; of a longer table a stretch is drawn (vz: 12, a year's months)."
    )
    most_points: int = Field(
        24, ge=3, description="Most rows drawn along a line; of a longer table a stretch is drawn (vz: 24)."
    )
    most_slices: int = Field(
        7,
        ge=3,
        le=COLOURS,
        description="Most slices of a pie; of a longer table a stretch is drawn; at most 8, one a colour (vz: 7, as "
        "colours are told).",
    )
    most_series: int = Field(
        4,
        ge=2,
        le=COLOURS,
        description="Most series of a chart; of a wider table some are drawn; at most 8, one a colour (vz: 4, as "
        "colours are told).",
    )
    most_bars: int = Field(
        28, ge=4, description="Most bars of a grouped chart, so that one is 10 pixels wide at 480 (vz: 28)."
    )
    text_size: float = Field(
        0.027,
        gt=0,
        le=0.1,
        description="Height of the smallest words, as a share of the side of a square as large as the picture; at "
        "least 9 pixels (vz: 0.027, which is 10.6 pixels at 480 by 320).",
    )
    bad_tables: Literal["refuse", "skip"] = Field(
        "refuse",
        json_schema_extra=NO_BYTE,
        description="A table that cannot be read: refuse ends with its error; skip lists it in skipped.parquet and "
        "goes on, for data sets read from pictures such as ChartQA, where some cells hold words.",
    )
