"""The `games.charts` part of a recipe: how tables are read, which charts are drawn, and which swaps are visible."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.core.recipe.base import Section

Kind = Literal["bar", "grouped", "stacked", "line", "area", "pie", "scatter"]
COLOURS = 8  # of every palette: more series or slices could not be told apart


class ChartSettings(Section):
    """How tables become pairs of charts. The paper says only: line, bar and pie, two attributes swapped."""

    kinds: tuple[Kind, ...] = Field(
        ("bar", "grouped", "stacked", "line", "area", "pie", "scatter"),
        min_length=1,
        description="Kinds of chart. A table takes turns through those that fit it (ChartQA: bars of all sorts, lines, "
        "pies).",
    )
    label: str | None = Field(None, description="Heading of the column that names the rows. Null: vz decides.")
    series: str | None = Field(
        None, description="Heading of the column that names the series of a long table. Null: vz decides."
    )
    values: tuple[str, ...] = Field(
        (), description="Headings of the columns whose numbers are drawn. None: vz decides."
    )
    time: str | None = Field(None, description="Heading of the column that holds times. Null: vz decides.")
    unit: str | None = Field(
        None,
        description="Unit of all values. Null: as the cells or headings say; columns of other units share no axis.",
    )
    aggregate: Literal["auto", "none", "sum", "mean", "median", "count"] = Field(
        "auto",
        description="What rows with the same labels become. auto: their sum if they count something, else their mean, "
        "where there are at least three each; count: their number; none: such tables are skipped.",
    )
    separator: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="What separates cells. Null: tab, semicolon, bar or comma, as found.",
    )
    decimal: Literal["auto", "point", "comma"] = Field(
        "auto", description="The decimal mark. auto: whichever makes sense of a column, or else of the table."
    )
    encoding: str | None = Field(
        None, description="Encoding of the files, such as cp1252. Null: UTF-8, or what charset-normalizer finds."
    )
    fonts: tuple[str, ...] = Field(
        (),
        description="Fonts for letters that DejaVu lacks, such as Chinese: font files, Python packages that hold some "
        "(for example matplotlib_fontja), or names of installed fonts.",
    )
    min_difference: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Least difference of two values that are swapped, as a share of the span of values shown: from the "
        "lowest to the highest, zero included for bars. A tenth is some 20 pixels of a plot 200 high (vz: 0.1).",
    )
