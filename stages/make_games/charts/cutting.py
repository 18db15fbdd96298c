"""Chooses the part of a table that one chart shows: its rows and series, and what they all share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import ceil
from random import Random

import polars as pl

from stages.core.recipe.charts import Kind
from stages.make_games.charts.columns import SUMS, words_of
from stages.make_games.charts.cubes import COLUMN, COUNTED, VALUE, Cube, Dimension
from stages.make_games.charts.swap import ChartTable, Series
from stages.make_games.charts.tables import Table
from stages.make_games.charts.times import MONTH, in_order

FEWEST = {"bar": 2, "grouped": 2, "stacked": 2, "line": 3, "area": 3, "pie": 3, "scatter": 4}  # rows
MOST_ROWS, MOST_POINTS = 12, 24  # rows drawn as bars (a year's months), and points along a line
MOST_SLICES, MOST_SERIES = 7, 4  # more colours are hard to tell apart
MOST_BARS = 28  # in a grouped chart, so that a bar is 10 pixels wide at 480
WHOLE_WITHIN = 1.5  # per cent: rounded shares seldom add up to 100
SMALLEST_SLICE = 0.04  # of a pie, so that its number fits; of the highest stack, so that a series is visible
LONGEST_POINT = 24  # letters of a label beside a point
LEAST_FILLED = 0.7  # share of a chart's cells that have a value
INDEPENDENT = 0.2  # share of a dimension's members that occur with most of another's; below it, they are nested in them
SMALLEST = 0.001  # the least that a chart's largest value may be: nobody reads smaller ones without another unit
LEAST_BAR = 0.015  # of the longest bar: three quarters of all bars reach this, 3 pixels of a plot 200 high
VISIBLE = 8.0  # the largest ratio between the medians of series drawn together
_SEVERAL = ("grouped", "stacked")

_BARE = {"yes", "no", "true", "false", "y", "n", "m", "f"}  # members that mean nothing without their heading
_OTHERS = r"(?i)(?:all )?others?\b|elsewhere|rest\b|sonstige|andere|autres|miscellaneous"
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_CLASSES = (
    r"\b(answer|cause|reason|item|categor|kind|type|source|opinion|response|party|mode|purpose|sector|use|expense|"
    r"material|how|why)"
)

View = tuple[Cube, Dimension, Dimension | None]  # the cube, its rows and its series


def views(table: Table, kind: Kind) -> list[View]:
    """The ways to make such a chart of the table's columns, whatever its numbers are."""
    found: list[View] = []
    for cube in table.cubes:
        if cube.frame.is_empty() or (cube.pair is not None) != (kind == "scatter"):
            continue
        for rows in cube.dimensions:
            if rows.bounds:
                continue
            if kind not in _SEVERAL:
                found.append((cube, rows, None))
            if kind in ("grouped", "stacked", "line", "area"):
                found += [(cube, rows, series) for series in cube.dimensions if series is not rows]
    timed = {"line": True, "area": True, "pie": False, "scatter": False}.get(kind)
    return [view for view in found if timed is None or bool(view[1].places) == timed]


def cut(table: Table, kind: Kind, draw: Random) -> ChartTable | None:
    """A random part of the table for one chart; None if that part makes no such chart."""
    fitting = views(table, kind)
    if not fitting:
        return None
    cube, rows, series = draw.choice(fitting)
    fixed = [each for each in cube.dimensions if each not in (rows, series)]
    two_years = _YEAR.search(cube.measure) and _YEAR.fullmatch(table.context)  # years of the data and the edition
    frame, said = cube.frame, [table.context] if table.context and not two_years else []
    where: dict[str, str] = {}
    for dimension in fixed:
        counts = frame.group_by(dimension.column, maintain_order=True).len()
        full = counts.filter(pl.col("len") >= max(0.7 * counts["len"].max(), FEWEST[kind]))[dimension.column].to_list()  # type: ignore[operator]
        if len(full) < INDEPENDENT * len(counts):
            return None
        member = draw.choice(full)
        if dimension.column == COLUMN:
            cube = replace(cube, columns={member: cube.columns[member]})
        else:
            where[dimension.column] = member
        if dimension.column == COLUMN and not dimension.places:
            cube = replace(cube, measure=member)
        else:
            said.append(named(member, dimension))
        frame = frame.filter(pl.col(dimension.column) == member)
    title = ", ".join(said)
    if kind == "scatter":
        shown = _scatter(cube, rows, frame, title, draw)
    else:
        shown = _shown(_grid(frame, rows, series), (cube, rows, series), kind, title, draw)
    names = {name: None if each.column == COLUMN else each.column
             for name, each in (("label", rows), ("series", series)) if each}  # fmt: skip
    origin = {"values": list(cube.columns.values()), "where": where, "rows_left_out": cube.left_out}
    return shown and replace(shown, origin=names | origin)


def named(member: str, dimension: Dimension, others: Sequence[str] = ()) -> str:
    """A member's name that makes sense without its axis: `month 9`, not just 9."""
    if (
        dimension.twin
        or _BARE & {member.casefold(), *others}
        or max(map(len, (member, *others))) < 3
        or (dimension.places and len(member) < 4 and member.isdigit())
    ):
        return f"{dimension.heading} {member}"
    return member


Grid = dict[str, dict[str, float]]  # values by series name and row name


def _grid(frame: pl.DataFrame, rows: Dimension, series: Dimension | None) -> Grid:
    grid: Grid = {}
    names = frame[series.column].to_list() if series else [""] * len(frame)
    for name, label, value in zip(names, frame[rows.column].to_list(), frame[VALUE].to_list(), strict=True):
        grid.setdefault(name, {})[label] = value
    return grid


def _shown(grid: Grid, view: View, kind: Kind, title: str, draw: Random) -> ChartTable | None:
    cube, rows, series = view
    names = _some_series(grid, kind, series, draw) if series else list(grid)
    if not names or (series and len(names) < 2):
        return None
    labels = _some_rows({name: grid[name] for name in names}, rows, kind, draw)
    if len(labels) < FEWEST[kind] or (kind in ("line", "area") and _sparse(cube, [rows.places[a] for a in labels])):
        return None
    if kind in ("pie", "stacked", "area") and not _are_parts(grid, names, labels, view, kind):
        return None
    values = [tuple(grid[name].get(label) for label in labels) for name in names]
    if not _vary(values, kind):
        return None
    shown = [named(name, series, [each.casefold() for each in names]) if series else name for name in names]
    columns = tuple(Series(name, column, cube.unit) for name, column in zip(shown, values, strict=True))
    measure = cube.measure
    if not series and rows.column != COLUMN and len(names) == 1:
        columns = (replace(columns[0], name=measure or title),)
    places = tuple(rows.places[label] for label in labels) if rows.places else ()
    bounded = bool(series and (series.bounds or series.places))
    heading = rows.heading
    if {label.casefold() for label in labels} <= _BARE:
        question = re.sub(r"(?i)\W*\byes\W+no\W*$", "", heading)
        labels, heading = [f"{question} {label}" for label in labels], ""
    return ChartTable(title, heading, measure, tuple(labels), columns, places, bounded)


def _sparse(cube: Cube, places: Sequence[float]) -> bool:
    """Whether nothing was counted at some times, so that a line across them would mislead."""
    gaps = [later - earlier for earlier, later in pairwise(places)]
    counts = cube.measure == COUNTED or cube.measure.startswith("Total ")
    events = min(gaps) < MONTH and (cube.sums in ("yes", "whole") or cube.measure.startswith("Average "))
    return max(gaps) > 1.5 * min(gaps) and (counts or events)


def _vary(columns: Sequence[Sequence[float | None]], kind: Kind) -> bool:
    """Whether the values have few gaps and differ enough to be worth a chart."""
    given = [[value for value in column if value is not None] for column in columns]
    every = [value for column in given for value in column]
    if len(every) < LEAST_FILLED * sum(map(len, columns)) or max(map(abs, every)) < SMALLEST:
        return False
    if any(len(column) > 3 and len(set(column)) == 1 for column in given):
        return False
    if kind in ("bar", "grouped") and sorted(map(abs, every))[len(every) // 4] < LEAST_BAR * max(map(abs, every)):
        return False
    if kind in ("line", "area"):
        if any(map(_has_lone_value, columns)):
            return False
        return all(len(set(column)) >= max(len(column) / 3, 3) for column in given)
    return len(set(every)) >= max(min(len(every) / 2, 6), 2)


def _has_lone_value(column: Sequence[float | None]) -> bool:
    cells = [None, *column, None]
    return any(a is c is None and b is not None for a, b, c in zip(cells, cells[1:], cells[2:], strict=False))


def _some_series(grid: Grid, kind: Kind, series: Dimension, draw: Random) -> list[str]:
    """Some series of comparable size that have most of the rows, in the table's order or by time."""
    most = max((len(column) for column in grid.values()), default=0)
    full = [name for name, column in grid.items() if len(column) >= 0.8 * most]
    if len(full) < INDEPENDENT * len(grid):
        return []
    if kind in ("stacked", "area"):
        return in_order(full)[0] if len(full) <= MOST_SERIES + 2 and len(full) == len(grid) else []
    sizes = {name: sorted(abs(value) for value in grid[name].values())[len(grid[name]) // 2] for name in full}
    ranked = sorted(full, key=lambda name: -sizes[name])
    anchor = draw.choice(ranked[: ceil(len(ranked) / 2)]) if ranked else ""
    near = [name for name in ranked if max(sizes[anchor], sizes[name]) <= VISIBLE * min(sizes[anchor], sizes[name])]
    count = min(draw.randint(2, 3 if series.places and kind == "grouped" else MOST_SERIES), len(near))
    first = max(min(near.index(anchor), len(near) - count), 0) if near else 0
    natural, ordered = in_order(near)
    if series.places or ordered:  # at regular steps
        near = sorted(near, key=lambda name: series.places[name]) if series.places else natural
        step = draw.randint(1, max((len(near) - 1) // max(count - 1, 1), 1))
        start = draw.randrange(len(near) - step * (count - 1)) if count else 0
        return near[start::step][:count]
    chosen = set(near[first : first + count])
    return in_order([name for name in grid if name in chosen])[0]


def _some_rows(grid: Grid, rows: Dimension, kind: Kind, draw: Random) -> list[str]:
    """A stretch of time; or, in the table's order, the largest rows or others of similar size. None lacks a value."""
    every = list(dict.fromkeys(label for column in grid.values() for label in column))
    needed = 1 if kind in ("line", "grouped") and len(grid) > 1 else len(grid)
    labels = [label for label in every if sum(label in column for column in grid.values()) >= needed]
    most = {"line": MOST_POINTS, "area": MOST_POINTS, "pie": MOST_SLICES}.get(kind, MOST_ROWS)
    if kind == "grouped":
        most = max(min(most, MOST_BARS // len(grid)), FEWEST[kind])
    labels, ordered = in_order(labels)
    if rows.places:
        labels.sort(key=lambda label: rows.places[label])
    if len(labels) <= most:
        return labels if rows.places or ordered or kind == "pie" else _unsorted(labels, grid)
    if kind == "pie":
        return []
    if rows.places or ordered:
        start = draw.randrange(len(labels) - most + 1)
        return labels[start : start + most]
    first = next(iter(grid.values()))
    labels.sort(key=lambda label: -first.get(label, 0.0))
    count = draw.randint(min(5, most), most)
    start = draw.choice([0, draw.randrange(len(labels) - count + 1)])
    chosen = set(labels[start : start + count])
    return _unsorted([label for label in every if label in chosen], grid)


def _unsorted(labels: list[str], grid: Grid) -> list[str]:
    """The labels in the table's order; alphabetically if that order sorts the values, since a swap would stand out."""
    values = [grid[next(iter(grid))].get(label, 0.0) for label in labels]
    return sorted(labels, key=str.casefold) if len(labels) > 3 and sorted(values) in (values, values[::-1]) else labels


def _are_parts(grid: Grid, names: Sequence[str], labels: Sequence[str], view: View, kind: Kind) -> bool:
    """Whether slices or stacks are all the parts of a whole, as far as the numbers or the words show."""
    cube, rows, series = view
    if any(value < 0 for name in names for value in grid[name].values()):
        return False
    across = rows if kind == "pie" else series
    if kind == "pie":
        sums = [[grid[names[0]][label] for label in labels]]
        if len(labels) < len(grid[names[0]]) or min(sums[0]) < SMALLEST_SLICE * sum(sums[0]):
            return False
    elif series is None:
        return cube.sums in ("yes", "whole")  # an area over time, of one series
    else:
        sums = [[grid[name][label] for name in names] for label in labels]
        heights = list(map(sum, sums))
        thinnest = min(map(max, zip(*sums, strict=True)))
        if thinnest < SMALLEST_SLICE * max(heights) or min(heights) < LEAST_BAR * max(heights):
            return False
    if cube.unit.after == "%":
        return all(abs(sum(parts) - 100) <= WHOLE_WITHIN for parts in sums)
    parts = labels if kind == "pie" else names
    if across and (across.places or (across.column == COLUMN and (cube.partial or any(map(_YEAR.search, parts))))):
        return False
    if cube.sums == "whole" or (across and across.whole):
        return True
    other = any(re.match(_OTHERS, part) for part in parts)
    classes = other or bool(across and re.search(_CLASSES, across.heading, re.IGNORECASE))
    return cube.sums != "no" and (classes or (kind != "pie" and cube.sums == "yes" and _of_one_sort(across, parts)))


def _of_one_sort(across: Dimension | None, parts: Sequence[str]) -> bool:
    """Whether columns count the same thing by kind, such as boys among pupils; cases and deaths are not parts."""
    if across is None or across.column != COLUMN:
        return True
    words = [words_of(part).split() for part in parts]
    kinds, counted = {part[0] for part in words}, {part[-1] for part in words if len(part) > 1}
    of_one = len(counted) == 1 and all(len(part) > 1 for part in words) and not kinds & {"all", "total", "new"}
    return of_one and bool(SUMS.search(counted.pop()))


def _scatter(cube: Cube, rows: Dimension, frame: pl.DataFrame, title: str, draw: Random) -> ChartTable | None:
    """Some labelled points, with one number along each axis."""
    assert cube.pair is not None
    points = list(zip(*(frame[name].to_list() for name in (rows.column, *(c.name for c in cube.pair))), strict=True))
    points = [point for point in points if len(point[0]) <= LONGEST_POINT]
    draw.shuffle(points)
    points = points[: min(draw.randint(5, 10), MOST_ROWS)]
    if len(points) < FEWEST["scatter"]:
        return None
    columns = tuple(
        Series(column.label, tuple(point[number] for point in points), column.unit)
        for number, column in enumerate(cube.pair, 1)
    )
    return ChartTable(title, rows.heading, cube.measure, tuple(point[0] for point in points), columns)
