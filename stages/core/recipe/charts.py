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
    most_ratio: float = Field(
        4.0,
        gt=1,
        description="The most that the larger of two swapped values may be, times the smaller. Else knowledge of the world "
        "would give the swap away (vz: 4).",
    )
    min_share: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="Least difference of two swapped slices of a pie, as a share of the whole; 0.05 are 18 degrees "
        "(vz: 0.05).",
    )
    min_pixels: int = Field(
        100,
        ge=1,
        description="Pixels that must differ plainly (by over 32 of 255 in a channel) between both pictures of 480 by "
        "320; scaled to other sizes (vz: 100, half of what CLEVR wants of an object).",
    )
    most_rows: int = Field(
        12, ge=2, description="Most rows drawn as bars, or points of a scatter (vz: 12, a year's months)."
    )
    most_points: int = Field(24, ge=3, description="Most rows drawn along a line (vz: 24).")
    most_slices: int = Field(
        7, ge=3, le=COLOURS, description="Most slices of a pie; at most 8, one a colour (vz: 7, as colours are told)."
    )
    most_series: int = Field(
        4, ge=2, le=COLOURS, description="Most series of a chart; at most 8, one a colour (vz: 4, as colours are told)."
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
