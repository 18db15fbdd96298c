"""Cubes: measured values of one unit over the columns that name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from stages.make_games.charts.columns import Column, Sums
from stages.make_games.charts.numbers import Unit

VALUE, COLUMN = "\x00value", "\x00column"  # no heading has such a name
COUNTED = "Number of entries"  # measure of cubes that count rows
_TOTAL = r"(?:grand |sub)?totals?|all(?: .*)?|overall|sum|both|world|average|mean|median|insgesamt|gesamt|summe|alle"
_TOTALS = "totals?|all|overall|combined|both sexes"  # in headings of columns, where others have none of these words
_LANDS = (
    r"(?i)^(?:(?:low|lower|upper|middle|high)\b.*\b(?:income|sdi)\b|(?:least |less |more )?develop(?:ed|ing)\b|"
    r"(?:european union|eu(?:[- ]?\d\d)?|euro ?(?:area|zone)|oecd|g-?(?:7|20))\b|"
    r"(?:(?:sub-saharan|(?:north|south|east|west|central|middle|latin|south-?east)(?:ern)?|and|&)\W+)*"
    r"(?:africa|asia|europe|americas?|oceania|middle east)\b)"
)  # many countries together
MANY = 20  # names, most of which are no such lands, are of countries
_WHOLE = 0.01  # of a whole, by which its parts may miss it


@dataclass(frozen=True)
class Dimension:
    """What names values: a column, or the headings of several. `places`: where its members stand in time, if so."""

    column: str
    heading: str
    places: Mapping[str, float] = field(default_factory=dict)
    bounds: bool = False  # some members are bounds of others, such as the highest and lowest
    twin: bool = False  # another has such members too, so that only the heading tells fathers from sons
    whole: bool = False  # its members are all the parts of a total that the table names


@dataclass(frozen=True)
class Cube:
    """Values of one unit by their dimensions: a frame with a column each, and `VALUE`."""

    frame: pl.DataFrame
    dimensions: tuple[Dimension, ...]
    measure: str
    unit: Unit
    sums: Sums = "no"
    pair: tuple[Column, Column] | None = None  # of a scatter, which need not share a unit
    columns: Mapping[str, str] = field(default_factory=dict)  # of the table, that are drawn: headings by labels
    partial: bool = False  # the table has more columns of this sort, so these are not all the parts of a whole
    left_out: int = 0  # rows of the table that lack a name or share it with others


def without_lands(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """The frame without rows such as those of Europe, where most are of single countries."""
    lands = frame[column].str.contains(_LANDS) & (frame[column] != "South Africa")
    few = lands.sum() < len(lands) / 2 and frame[column].n_unique() >= MANY
    return frame.filter(~lands) if few else frame


def without_totals(cube: Cube) -> Cube:
    """The cube without members such as Total; whether these were the sums of the others is noted."""
    for number, dimension in enumerate(cube.dimensions):
        words = rf"\b(?:{_TOTALS})\b" if dimension.column == COLUMN else rf"^(?:{_TOTAL})$"
        total = pl.col(dimension.column).str.contains(f"(?i){words}")
        totals, parts = cube.frame.filter(total), cube.frame.filter(~total)
        if dimension.places or not len(totals) or parts[dimension.column].n_unique() < 2:
            continue
        others = [d.column for d in cube.dimensions if d is not dimension]
        sums = parts.group_by(others or pl.lit(1)).agg(pl.col(VALUE).sum().alias("sum"), pl.len())
        both = sums.join(totals, on=others) if others else sums.with_columns(totals[VALUE].head(1))
        off = both.select(((pl.col("sum") - pl.col(VALUE)).abs() > _WHOLE * pl.col("sum").abs()).sum()).item()
        whole = replace(dimension, whole=len(both) > 0 and not off)
        cube = replace(cube, frame=parts, dimensions=(*cube.dimensions[:number], whole, *cube.dimensions[number + 1 :]))
    return cube
