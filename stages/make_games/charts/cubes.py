"""Cubes: measured values in one unit over the columns that name them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import polars as pl

from stages.make_games.charts.columns import Column, Sums
from stages.make_games.charts.numbers import Unit

VALUE, COLUMN = "\x00value", "\x00column"  # names that no heading has
COUNTED = "Number of entries"  # the measure of cubes that count rows
_TOTAL = r"(?:grand |sub)?totals?|all(?: .*)?|overall|sum|both|world|average|mean|median|insgesamt|gesamt|summe|alle"
_TOTALS = "totals?|all|overall|combined|both sexes"  # in column headings, if other headings have none of these words
_LANDS = (
    r"(?i)^(?:(?:low|lower|upper|middle|high)\b.*\b(?:income|sdi)\b|(?:least |less |more )?develop(?:ed|ing)\b|"
    r"(?:european union|eu(?:[- ]?\d\d)?|euro ?(?:area|zone)|oecd|g-?(?:7|20))\b|"
    r"(?:(?:sub-saharan|(?:north|south|east|west|central|middle|latin|south-?east)(?:ern)?|and|&)\W+)*"
    r"(?:africa|asia|europe|americas?|oceania|middle east)\b)"
)  # groups of countries
MANY = 20  # at least this many names, most of them not such groups, are countries
_WHOLE = 0.01  # share of the whole by which the sum of its parts may miss it


@dataclass(frozen=True)
class Dimension:
    """What names values: a column, or the headings of several. `places`: its members' positions in time, if any."""

    column: str
    heading: str
    places: Mapping[str, float] = field(default_factory=dict)
    bounds: bool = False  # some members bound others, such as the highest and lowest
    twin: bool = False  # another dimension has the same members, so only the heading tells fathers from sons
    whole: bool = False  # its members add up to a total that the table names


@dataclass(frozen=True)
class Cube:
    """Values in one unit by dimension: a frame with one column per dimension, and `VALUE`."""

    frame: pl.DataFrame
    dimensions: tuple[Dimension, ...]
    measure: str
    unit: Unit
    sums: Sums = "no"
    pair: tuple[Column, Column] | None = None  # of a scatter plot; they need not share a unit
    columns: Mapping[str, str] = field(default_factory=dict)  # the table's columns to draw: headings by label
    partial: bool = False  # the table has more columns of this kind, so these are not all the parts of a whole
    left_out: int = 0  # rows that lack a name or share it with others


def without_lands(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """The frame without rows for groups such as Europe, if most rows are single countries."""
    lands = frame[column].str.contains(_LANDS) & (frame[column] != "South Africa")
    few = lands.sum() < len(lands) / 2 and frame[column].n_unique() >= MANY
    return frame.filter(~lands) if few else frame


def without_totals(cube: Cube) -> Cube:
    """The cube without members such as Total. Notes in `whole` whether these were the sums of the others."""
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
