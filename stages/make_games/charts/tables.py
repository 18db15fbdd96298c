"""A table as an analyst sees it: measured values in one unit each, over the columns that name them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, permutations
from pathlib import Path

import polars as pl

from stages.core.errors import InputError
from stages.core.recipe.charts import ChartSettings
from stages.make_games.charts.columns import Column, Sums, columns_of, words_of
from stages.make_games.charts.cubes import COLUMN, COUNTED, VALUE, Cube, Dimension, without_lands, without_totals
from stages.make_games.charts.groups import alike, on_one_axis
from stages.make_games.charts.numbers import Unit, is_missing
from stages.make_games.charts.reading import read_grid
from stages.make_games.charts.times import time_places, uneven, without_marks

MOST_NAMED = 300  # rows that a chart shows by name; more are grouped, if some column has groups
UNIQUE, MOST_REPEATED = 0.9, 10  # share of rows with unique labels, and number of other rows, which are left out
MOST_REPEATED_PAIRS = 0.02  # share of repeated rows if two or three columns name them
FILLED = 0.15  # least share of the combinations of names and times that exist if rows are points of series
MOST_GROUPS, LEAST_ROWS = 15, 3  # most categories to aggregate rows by, and fewest rows for a mean
LEAST_NAMED = 0.8  # share of the rows with a cell in the columns that name them
_BOUNDS = re.compile(r"\b(?:min|max|minimum|maximum|lo|hi|low|high|lower|upper|lowest|highest)\b")
_SAMPLES = re.compile(r"^(?:time(?:point)?|trial|subject|subj|participant|visit|wave|session|repl?(?:icate)?)\b")
_MIDNIGHT = re.compile(r"[T\s]00?:00(?::00(?:\.0+)?)?\s?(?:Z|UTC|[+-]00:?00)?$")
_TIME_OF_DAY = re.compile(r"[T\s]\d\d?:\d\d.*$")
_CLOCK = re.compile(r"[T\s](\d\d?:\d\d)(?::00(?:\.0+)?)?\s?(?:Z|UTC|[+-]00:?00)?$")


@dataclass(frozen=True)
class Table:
    """A file's cubes. `context`: a time or subject that all rows share."""

    title: str
    context: str
    cubes: tuple[Cube, ...]


@lru_cache(maxsize=64)
def read_table(path: Path, settings: ChartSettings) -> Table:
    """The table in a CSV file. `InputError` says why it makes no chart."""
    grid = read_grid(path, settings)
    columns = columns_of(path, grid, settings)
    samples = [column for column in columns if _repeats_samples(column)]
    values = [c for c in columns if c.role == "value" and (c not in samples or settings.values)]
    names = _names(columns, settings)
    frame = pl.DataFrame([_cleaned(column) for column in names] + [c.values for c in values if c.values is not None])
    key = _key(path, frame, names, settings)
    constant = (_said(column, first=n == 0) for n, column in enumerate(columns) if column.role == "constant")
    context = ", ".join(filter(None, constant))
    title = grid.title if 0 < len(grid.title) <= 120 else ""
    if key is None:
        return Table(title, context, tuple(_aggregated(path, frame, names, values, settings, counted=not samples)))
    if not values:
        raise InputError(f"{path}: has no column of numbers for a chart; name columns with games.charts.values")
    kept = frame.drop_nulls([c.name for c in key]).filter(~pl.struct(c.name for c in key).is_duplicated())
    for column in key:
        kept = without_lands(kept, column.name)
    cubes = [*(_cube(kept, key, group, values) for group in on_one_axis(values)), *_scatters(kept, key, values)]
    rows = [len(cube.frame if cube.pair else kept) for cube in cubes]
    return Table(title, context, tuple(replace(c, left_out=len(frame) - n) for c, n in zip(cubes, rows, strict=True)))


def _names(columns: Sequence[Column], settings: ChartSettings) -> list[Column]:
    """The columns that may name values; without columns of codes if others have words."""
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
    """What a constant column says of all rows: a time or, in the first column, the table's subject."""
    text = next(text for text in column.texts if text)
    if column.places:
        return _TIME_OF_DAY.sub("", text)
    return text if first and len(text) <= 40 and re.search(r"[^\W\d_]{3}", text) else ""


def _cleaned(column: Column) -> pl.Series:
    """Names without footnote marks, with one label per time, and null for missing ones."""
    given = column.texts.set(is_missing(column.texts, name=True), None)
    at = {place: label for label, place in _times(column).items()}
    new = {text: at[column.places[text]] if text in column.places else without_marks(text) or None
           for text in given.drop_nulls().unique()}  # fmt: skip
    alike = (text for text in new if text.endswith("*") and new[text] in new and text not in column.places)
    new |= {text: text for text in alike}  # `Live*` may differ from `Live`
    return given.replace_strict(new, default=None, return_dtype=pl.String)


def _times(column: Column) -> dict[str, float]:
    """One label for each time, without footnote marks, and without the time of day if that is always midnight."""
    first: dict[float, str] = {}
    days = not any(_CLOCK.search(_MIDNIGHT.sub("", text)) for text in column.places)
    for text, place in column.places.items():
        label = without_marks(text)
        first.setdefault(place, _MIDNIGHT.sub("", label) if days else _CLOCK.sub(r" \1", label))
    return {label: place for place, label in first.items()}


def _dimension(column: Column) -> Dimension:
    return Dimension(column.name, "" if column.label == "Entity" else column.label, _times(column))


def _key(path: Path, frame: pl.DataFrame, names: Sequence[Column], settings: ChartSettings) -> list[Column] | None:
    """The fewest columns that name each row; None if none do, so that rows must be aggregated."""
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
        why = "several rows have the same labels; name the right column with games.charts.label, or aggregate"
        raise InputError(f"{path}: {why}")
    return None


def _are_events(frame: pl.DataFrame, key: Sequence[Column], small: Sequence[Column]) -> bool:
    """Whether each row is an event, such as a sale, so that its time is not a point of a series."""
    for time in (column for column in key if column.role == "time"):
        if len(key) == 1:
            return uneven(list(_times(time).values())) and bool(small)
        others = pl.struct(column.name for column in key if column is not time)
        if len(frame) < FILLED * frame[time.name].n_unique() * frame.select(others).n_unique():
            return True
    return False


def _cube(frame: pl.DataFrame, key: Sequence[Column], group: Sequence[Column], values: Sequence[Column]) -> Cube:
    """The columns' values; the headings of several columns form a dimension."""
    members = {c.name: set(frame[c.name]) for c in key}
    twins = {a for a, b in permutations(members, 2) if 2 * len(members[a] & members[b]) > len(members[a])}
    dimensions = [replace(_dimension(c), twin=c.name in twins) for c in key]
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
    return without_totals(replace(cube, columns={label: name for name, label in names.items()}))


def _scatters(frame: pl.DataFrame, key: Sequence[Column], values: Sequence[Column]) -> Iterator[Cube]:
    """Every two columns of values that measure different things, over labels that are not times."""
    if key[0].role == "time":
        return
    dimensions = tuple(_dimension(c) for c in key)
    for one, other in combinations(values[:6], 2):
        if alike(one, other, plain=True) or not all(re.search(r"[^\W\d_]{2}", c.name) for c in (one, other)):
            continue
        both = frame.select([c.name for c in key] + [one.name, other.name]).drop_nulls()
        if len(both) >= 4:
            headings = {column.label: column.name for column in (one, other)}
            yield Cube(both, dimensions, other.label, other.unit, pair=(one, other), columns=headings)


def _aggregated(
    path: Path,
    frame: pl.DataFrame,
    names: Sequence[Column],
    values: Sequence[Column],
    settings: ChartSettings,
    *,
    counted: bool,
) -> Iterator[Cube]:
    """Aggregates rows with the same labels: sums of what adds up, means of the rest, and the number of rows."""
    values = [c for c in values if c.name in settings.values or c.kind != "|" or not _numbers_rows(frame[c.name])]
    small = names if settings.label else _small(frame, names)
    if not small:
        events = "labels repeat, or rows are events, and no column sorts them into a few groups"
        why = events if names else "no column names the rows"
        raise InputError(f"{path}: {why}; name columns with games.charts.label and games.charts.values")
    for some in [each for count in (1, 2) for each in combinations(small, count)]:
        keys = [c.name for c in some]
        members = [set(frame[name].drop_nulls()) for name in keys]
        if len(some) == 2 and members[0] & members[1]:
            continue  # the same question twice
        dimensions = tuple(_dimension(c) for c in some)
        rows = frame.drop_nulls(keys)
        if settings.aggregate == "count" or (settings.aggregate == "auto" and counted):
            count = rows.group_by(keys, maintain_order=True).agg(pl.len().cast(pl.Float64).alias(VALUE))
            yield without_totals(Cube(count, dimensions, COUNTED, Unit(), "whole", left_out=len(frame) - len(rows)))
        for column in values if settings.aggregate != "count" else ():
            if settings.aggregate == "auto" and _numbers_groups(rows, keys, column):
                continue
            cube = _put_together(rows, dimensions, column, settings.aggregate)
            yield without_totals(replace(cube, left_out=cube.left_out + len(frame) - len(rows)))


def _repeats_samples(column: Column) -> bool:
    """Whether rows are repeated measurements, by subject or time, so that counting them means nothing."""
    given, different = column.texts.str.contains(r"^-?[\d.]+$").sum(), column.texts.n_unique()
    many = 2 < different < len(column.texts) / 2 and (given > len(column.texts) / 2 or different > MOST_GROUPS)
    return many and bool(_SAMPLES.search(words_of(column.name)))


def _numbers_rows(values: pl.Series) -> bool:
    """Whether whole numbers grow from row to row, as case numbers do."""
    return bool((values % 1 == 0).all() and (values.diff().drop_nulls() > 0).all())


def _numbers_groups(frame: pl.DataFrame, keys: Sequence[str], column: Column) -> bool:
    """Whether a column has one whole number for each group, such as 44 for the 44th president."""
    groups = frame.drop_nulls(column.name).group_by(keys)
    each = groups.agg(pl.col(column.name).n_unique().alias("different"), pl.col(column.name).first())
    return bool((each["different"] == 1).all() and (each[column.name] % 1 == 0).all())


def _put_together(frame: pl.DataFrame, dimensions: tuple[Dimension, ...], column: Column, how: str) -> Cube:
    least = LEAST_ROWS if how == "auto" and column.sums not in ("yes", "whole") else 1
    if how == "auto":
        how = "sum" if least == 1 else "mean"
    word = {"sum": "Total", "mean": "Average", "median": "Median"}[how]
    groups = frame.drop_nulls(column.name).group_by([d.column for d in dimensions], maintain_order=True)
    each = groups.agg(getattr(pl.col(column.name), how)().alias(VALUE), pl.len().alias("\0rows"))
    kept = each.filter(pl.col("\0rows") >= least)
    said = word.casefold() in words_of(column.name)
    measure = column.label if said else f"{word} {lowered(column.label)}"
    sums: Sums = "yes" if how == "sum" else "no"
    left_out = len(frame) - int(kept["\0rows"].sum())
    frame, columns = kept.drop("\0rows"), {measure: column.name}
    return Cube(frame, dimensions, measure, column.unit, sums, columns=columns, left_out=left_out)


def _small(frame: pl.DataFrame, names: Sequence[Column]) -> list[Column]:
    """The first columns that sort the rows into a few groups."""
    few = [c for c in names if frame[c.name].count() >= LEAST_NAMED * len(frame)]
    few = [c for c in few if 2 <= frame[c.name].drop_nulls().n_unique() <= (60 if c.places else MOST_GROUPS)]
    of_months = {c.name for c in few if words_of(c.name) == "day" and c.texts.str.contains(r"^\d*$").all()}
    return [c for c in few if c.name not in of_months and not uneven(list(_times(c).values()))][:3]


def lowered(text: str) -> str:
    """A heading within a sentence: `Wildlife size` gets a small first letter, `GDP` and `Wildlife Size` stay."""
    later = [word for word in text.split()[1:] if len(word) > 3]
    in_capitals = bool(later) and all(word[0].isupper() for word in later)
    return text if in_capitals or text[1:2].isupper() else text[:1].lower() + text[1:]
