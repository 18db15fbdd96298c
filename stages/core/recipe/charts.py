"""The `games.charts` part of a recipe: which charts are drawn from tables, and which swaps count as visible."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.core.recipe.base import RuntimeField, Section

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
    bad_tables: Literal["refuse", "skip"] = RuntimeField(
        "refuse",
        description="A table that cannot be read: refuse ends with its error; skip lists it in skipped.parquet and "
        "goes on, for data sets read from pictures such as ChartQA, where some cells hold words.",
    )
