"""The `games.charts` section: how vz reads tables, which charts it draws, and which swaps are visible."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stages.core.recipe.base import Section

Kind = Literal["bar", "grouped", "stacked", "line", "area", "pie", "scatter"]
COLOURS = 8  # in every palette: more series or slices would be hard to tell apart


class ChartSettings(Section):
    """How tables become pairs of charts. The paper says only: line, bar and pie charts, with two attributes swapped."""

    kinds: tuple[Kind, ...] = Field(
        ("bar", "grouped", "stacked", "line", "area", "pie", "scatter"),
        min_length=1,
        description="Kinds of chart. Each table cycles through the kinds that fit it (ChartQA: bars of all sorts, "
        "lines, pies).",
    )
    label: str | None = Field(None, description="Heading of the column that names the rows. Null: vz decides.")
    series: str | None = Field(
        None, description="Heading of the column that names the series of a long table. Null: vz decides."
    )
    values: tuple[str, ...] = Field(
        (), description="Headings of the columns whose numbers are drawn. Empty: vz decides."
    )
    time: str | None = Field(None, description="Heading of the column that holds times. Null: vz decides.")
    unit: str | None = Field(
        None,
        description="Unit of all values. Null: taken from the cells or headings; columns with different units never "
        "share an axis.",
    )
    aggregate: Literal["auto", "none", "sum", "mean", "median", "count"] = Field(
        "auto",
        description="How rows with the same labels are combined. auto: their sum if they count something, else their "
        "mean, if at least three rows share the labels; count: their number; none: skip these tables.",
    )
    separator: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="Character that separates cells. Null: tab, semicolon, bar or comma, as detected.",
    )
    decimal: Literal["auto", "point", "comma"] = Field(
        "auto", description="The decimal mark. auto: the one that makes sense of the column, or else of the table."
    )
    encoding: str | None = Field(
        None, description="Encoding of the files, such as cp1252. Null: UTF-8, or what charset-normalizer finds."
    )
    fonts: tuple[str, ...] = Field(
        (),
        description="Fonts for letters that DejaVu lacks, such as Chinese: font files, Python packages with fonts "
        "(for example matplotlib_fontja), or names of installed fonts.",
    )
    min_difference: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Smallest difference between two swapped values, as a share of the range of values shown: from "
        "the lowest to the highest, with zero included for bars. A tenth is about 20 pixels in a plot 200 pixels high "
        "(vz: 0.1).",
    )
