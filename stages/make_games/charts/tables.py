"""A table as an analyst sees it: measured values, each of one unit, over the columns that name them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations
from pathlib import Path

import polars as pl

from stages.core.errors import InputError
from stages.core.recipe.charts import ChartSettings
from stages.make_games.charts.columns import Column, Sums, columns_of, words_of
from stages.make_games.charts.numbers import Unit, is_missing
from stages.make_games.charts.reading import read_grid
from stages.make_games.charts.times import time_places, uneven, without_marks

VALUE, COLUMN = "\x00value", "\x00column"  # no heading has such a name
COUNTED = "Number of entries"  # measure of cubes that count rows
MOST_NAMED = 300  # rows that are shown by their names; more are put into groups if there are some
UNIQUE, MOST_REPEATED = 0.9, 10  # rows with labels of their own, and others, which are left out
MOST_REPEATED_PAIRS = 0.02  # of the rows, where two or three columns name them
ALIKE, NEAR = 10.0, 4.0  # times, at most, between the means of columns that share an axis; of fractions without a word
UNSURE = ("rate", "score", "count", "energy", "volume", "")  # quantities that come in many units
MOST_PLAIN = 12  # columns whose headings name no quantity: more are statistics of many sorts
FILLED = 0.15  # of the places of names and times, at least, where rows are points of series
MOST_GROUPS, LEAST_ROWS = 15, 3  # categories of rows that are aggregated, and rows behind a mean
LEAST_NAMED = 0.8  # of the rows have a cell in the columns that name them
_TOTAL = r"(?:grand |sub)?totals?|all(?: .*)?|overall|sum|both|world|average|mean|median|insgesamt|gesamt|summe|alle"
_BOUNDS = re.compile(r"\b(?:min|max|minimum|maximum|lo|hi|low|high|lower|upper|lowest|highest)\b")
_MIDNIGHT = re.compile(r"[T\s]00?:00(?::00(?:\.0+)?)?\s?(?:Z|UTC|[+-]00:?00)?$")
_TIME_OF_DAY = re.compile(r"[T\s]\d\d?:\d\d.*$")
_CLOCK = re.compile(r"[T\s](\d\d?:\d\d)(?::00(?:\.0+)?)?\s?(?:Z|UTC|[+-]00:?00)?$")
_WHOLE = 0.01  # of a whole, by which its parts may miss it


@dataclass(frozen=True)
class Dimension:
    """What names values: a column, or the headings of several. `places`: where its members stand in time, if so."""

    column: str
    heading: str
    places: Mapping[str, float] = field(default_factory=dict)
    bounds: bool = False  # some members are bounds of others, such as the highest and lowest
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


@dataclass(frozen=True)
class Table:
    """A file's cubes. `context`: a time that holds for all rows."""

    title: str
    context: str
    cubes: tuple[Cube, ...]


@lru_cache(maxsize=64)
def read_table(path: Path, settings: ChartSettings) -> Table:
    """The table in a CSV file. `InputError` says why no chart can be made of it."""
    grid = read_grid(path, settings)
    columns = columns_of(path, grid, settings)
    values = [column for column in columns if column.role == "value"]
    names = _names(columns, settings)
    frame = pl.DataFrame([_cleaned(column) for column in names] + [c.values for c in values if c.values is not None])
    key = _key(path, frame, names, settings)
    constant = (_said(column, first=n == 0) for n, column in enumerate(columns) if column.role == "constant")
    context = ", ".join(filter(None, constant))
    title = grid.title if 0 < len(grid.title) <= 120 else ""
    if key is None:
        return Table(title, context, tuple(_aggregated(path, frame, names, values, settings)))
    if not values:
        raise InputError(f"{path}: has no column of numbers that a chart could show; name some by games.charts.values")
    kept = frame.drop_nulls([c.name for c in key]).filter(~pl.struct(c.name for c in key).is_duplicated())
    cubes = [*(_cube(kept, key, group, values) for group in _groups(values)), *_scatters(kept, key, values)]
    rows = [len(cube.frame if cube.pair else kept) for cube in cubes]
    return Table(title, context, tuple(replace(c, left_out=len(frame) - n) for c, n in zip(cubes, rows, strict=True)))


def _names(columns: Sequence[Column], settings: ChartSettings) -> list[Column]:
    """The columns that may name values, without codes where there are words."""
    names = [c for c in columns if c.role in ("text", "time")]
    chosen = [name for name in (settings.label, settings.series, settings.time) if name]
    if settings.label:
        return [c for name in chosen for c in names if c.name == name]
    texts = [c for c in names if c.role == "text"]
    words = r"\b(code|id|abbr\w*|iso\d?|key|symbol)\b"
    coded = {c.name for c in texts if c.texts.drop_nulls().str.contains(r"^[A-Z\d._-]{0,12}$").all()}
    codes = [c for c in texts if c.name in coded or re.search(words, words_of(c.name))]
    return [c for c in names if c not in codes or len(codes) == len(texts)]


def _said(column: Column, *, first: bool) -> str:
    """What a column says that holds for all rows, if that is a time or, in the first column, what the table is of."""
    text = next(text for text in column.texts if text)
    if column.places:
        return _TIME_OF_DAY.sub("", text)
    return text if first and len(text) <= 40 and re.search(r"[^\W\d_]{3}", text) else ""


def _cleaned(column: Column) -> pl.Series:
    """Names without footnote marks, of times one for each, null where one is missing."""
    given = column.texts.set(is_missing(column.texts, name=True), None)
    at = {place: label for label, place in _times(column).items()}
    new = {text: at[column.places[text]] if text in column.places else without_marks(text) or None
           for text in given.drop_nulls().unique()}  # fmt: skip
    alike = (text for text in new if text.endswith("*") and new[text] in new and text not in column.places)
    new |= {text: text for text in alike}  # `Live*` may be another than `Live`
    return given.replace_strict(new, default=None, return_dtype=pl.String)


def _times(column: Column) -> dict[str, float]:
    """One label for each time, without footnote marks, and without the time of day where that is midnight."""
    first: dict[float, str] = {}
    for text, place in column.places.items():
        first.setdefault(place, _CLOCK.sub(r" \1", _MIDNIGHT.sub("", without_marks(text))))
    return {label: place for place, label in first.items()}


def _dimension(column: Column) -> Dimension:
    return Dimension(column.name, column.label, _times(column))


def _key(path: Path, frame: pl.DataFrame, names: Sequence[Column], settings: ChartSettings) -> list[Column] | None:
    """The fewest columns that name each row; None where none do, so that rows must be put together."""
    if settings.aggregate not in ("auto", "none"):
        return None
    for count in [len(names)] if settings.label else range(1, 4):
        for some in combinations(names, count) if names else ():
            rows = frame.select(c.name for c in some).drop_nulls()
            repeated = min((1 - UNIQUE) * len(rows), MOST_REPEATED) if count == 1 else MOST_REPEATED_PAIRS * len(rows)
            named = len(rows) >= LEAST_NAMED * len(frame) or settings.label
            if named and rows.n_unique() >= max(len(rows) - repeated, 2):
                many = count == 1 and not some[0].places and len(frame) > MOST_NAMED
                small = _small(frame, names)
                events = not settings.label and (_are_events(rows, some, small) or (many and small))
                return None if events else list(some)
    if settings.aggregate == "none":
        why = "rows have the same labels; name the right column by games.charts.label, or aggregate"
        raise InputError(f"{path}: {why}")
    return None


def _are_events(frame: pl.DataFrame, key: Sequence[Column], small: Sequence[Column]) -> bool:
    """Whether each row is something that happened, such as a sale: its time is no point of a series."""
    for time in (column for column in key if column.role == "time"):
        if len(key) == 1:
            return uneven(list(_times(time).values())) and bool(small)
        others = pl.struct(column.name for column in key if column is not time)
        if len(frame) < FILLED * frame[time.name].n_unique() * frame.select(others).n_unique():
            return True
    return False


def _groups(values: Sequence[Column]) -> Iterator[list[Column]]:
    """The columns that may share an axis: of one unit, and of comparable size unless a unit is named."""
    if len(values) > 2 and time_places([column.name for column in values]):
        yield list(values)
        return
    left = list(values)
    plain = len(values) <= MOST_PLAIN and all(column.kind == "|" for column in values)
    while left:
        first = left[0]
        group = [column for column in left if column is first or _alike(first, column, plain)]
        left = [column for column in left if column not in group]
        yield group


def _alike(one: Column, other: Column, plain: bool) -> bool:
    if one.kind != other.kind:
        return False
    written, what = one.kind.split("|")
    if written and written != "%":
        return True
    if not _comparable(one, other):
        return False
    if written or what not in UNSURE:
        return True
    known = (one.name + other.name).isascii()  # the words that name quantities are English
    return _siblings(one, other) or (plain and known and not what)


def _comparable(one: Column, other: Column) -> bool:
    sizes = [float(c.values.abs().mean() or 0) for c in (one, other) if c.values is not None]  # type: ignore[arg-type]
    whole = [bool((c.values.drop_nulls() % 1 == 0).all()) for c in (one, other) if c.values is not None]
    most = ALIKE if one.kind != "|" or all(whole) else NEAR
    return max(sizes) <= most * min(sizes) and (one.kind != "|" or whole[0] == whole[1])


def _siblings(one: Column, other: Column) -> bool:
    """Whether headings differ in all but their first or last word: `actual mean temp` and `actual min temp`."""
    first, second = (re.sub("^(?:number|count|total|no)(?: of)? ", "", words_of(c.name)).split() for c in (one, other))
    return len(first) > 1 and len(second) > 1 and (first[0] == second[0] or first[-1] == second[-1])


def _cube(frame: pl.DataFrame, key: Sequence[Column], group: Sequence[Column], values: Sequence[Column]) -> Cube:
    """The columns' values; where there are several, their headings are a dimension of their own."""
    dimensions = [_dimension(c) for c in key]
    names = {column.name: column.label for column in group}
    long = frame.unpivot(list(names), index=[c.name for c in key], variable_name=COLUMN, value_name=VALUE)
    if len(group) > 1:
        places = time_places(list(names))
        bounds = any(_BOUNDS.search(words_of(name)) for name in names)
        dimensions.append(Dimension(COLUMN, "", dict(zip(names.values(), places or (), strict=bool(places))), bounds))
        long = long.with_columns(pl.col(COLUMN).replace(names))
    first = group[0]
    sums = first.sums if all(c.sums == first.sums for c in group) else "no"
    alone = first.label if len(group) == 1 else ""
    partial = sum(c.kind == first.kind for c in values) > len(group)
    cube = Cube(long.drop_nulls(VALUE), tuple(dimensions), alone, first.unit, sums, partial=partial)
    return _without_totals(replace(cube, columns={label: name for name, label in names.items()}))


def _without_totals(cube: Cube) -> Cube:
    """The cube without members such as Total; whether these were the sums of the others is noted."""
    for number, dimension in enumerate(cube.dimensions):
        total = pl.col(dimension.column).str.contains(rf"(?i)^(?:{_TOTAL})$")
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


def _scatters(frame: pl.DataFrame, key: Sequence[Column], values: Sequence[Column]) -> Iterator[Cube]:
    """Every two columns of values that measure something else, over labels that are no times."""
    if key[0].role == "time":
        return
    dimensions = tuple(_dimension(c) for c in key)
    for one, other in combinations(values[:6], 2):
        if _alike(one, other, plain=True) or not all(re.search(r"[^\W\d_]{2}", c.name) for c in (one, other)):
            continue
        both = frame.select([c.name for c in key] + [one.name, other.name]).drop_nulls()
        if len(both) >= 4:
            headings = {column.label: column.name for column in (one, other)}
            yield Cube(both, dimensions, other.label, other.unit, pair=(one, other), columns=headings)


def _aggregated(
    path: Path, frame: pl.DataFrame, names: Sequence[Column], values: Sequence[Column], settings: ChartSettings
) -> Iterator[Cube]:
    """Rows of the same labels put together: sums of what adds up, means of the rest, and how many rows there are."""
    small = names if settings.label else _small(frame, names)
    if not small:
        events = "labels are repeated, or rows are events, and no column puts them into few groups"
        why = events if names else "no column names the rows"
        raise InputError(f"{path}: {why}; name columns by games.charts.label and games.charts.values")
    for some in [each for count in (1, 2) for each in combinations(small, count)]:
        keys = [c.name for c in some]
        members = [set(frame[name].drop_nulls()) for name in keys]
        if len(some) == 2 and members[0] & members[1]:
            continue  # the same question twice
        dimensions = tuple(_dimension(c) for c in some)
        rows = frame.drop_nulls(keys)
        if settings.aggregate in ("auto", "count"):
            counted = rows.group_by(keys, maintain_order=True).agg(pl.len().cast(pl.Float64).alias(VALUE))
            yield Cube(counted, dimensions, COUNTED, Unit(), "whole", left_out=len(frame) - len(rows))
        for column in values if settings.aggregate != "count" else ():
            cube = _put_together(rows, dimensions, column, settings.aggregate)
            yield replace(cube, left_out=cube.left_out + len(frame) - len(rows))


def _put_together(frame: pl.DataFrame, dimensions: tuple[Dimension, ...], column: Column, how: str) -> Cube:
    least = LEAST_ROWS if how == "auto" and column.sums not in ("yes", "whole") else 1
    if how == "auto":
        how = "sum" if least == 1 else "mean"
    word = {"sum": "Total", "mean": "Average", "median": "Median"}[how]
    groups = frame.drop_nulls(column.name).group_by([d.column for d in dimensions], maintain_order=True)
    each = groups.agg(getattr(pl.col(column.name), how)().alias(VALUE), pl.len().alias("\0rows"))
    kept = each.filter(pl.col("\0rows") >= least)
    said = column.label.casefold().startswith(word.casefold())
    measure = column.label if said else f"{word} {lowered(column.label)}"
    sums: Sums = "yes" if how == "sum" else "no"
    left_out = len(frame) - int(kept["\0rows"].sum())
    frame, columns = kept.drop("\0rows"), {measure: column.name}
    return Cube(frame, dimensions, measure, column.unit, sums, columns=columns, left_out=left_out)


def _small(frame: pl.DataFrame, names: Sequence[Column]) -> list[Column]:
    """The first columns that put the rows into few groups."""
    few = [c for c in names if frame[c.name].count() >= LEAST_NAMED * len(frame)]
    few = [c for c in few if 2 <= frame[c.name].drop_nulls().n_unique() <= (60 if c.places else MOST_GROUPS)]
    return [c for c in few if not uneven(list(_times(c).values()))][:3]


def lowered(text: str) -> str:
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
