"""Reads a CSV file into a frame of texts: finds its encoding, separator, headings, and the lines around the table."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import charset_normalizer
import polars as pl

from stages.core.errors import InputError
from stages.core.recipe.charts import ChartSettings
from stages.make_games.charts.times import time_places

SEPARATORS = ("\t", ";", "|", ",")  # any label may have a comma, but few files have a semicolon in every line
UNNAMED = "unnamed"  # the first column, if it has no heading
MOST_LINES = 100_000
_NOTE = re.compile(r"(?:source|notes?|\*|†|©|last updated|data from|quelle|anmerkung)\b", re.IGNORECASE)
_NUMBER = re.compile(r"[-−(]?[$€£]?\d[\d.,']*(?:[eE][-+]?\d+)?%?\)?")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")


@dataclass(frozen=True)
class Grid:
    """A table's columns as stripped texts. `title`: the text above the headings."""

    frame: pl.DataFrame
    separator: str
    title: str


def read_grid(path: Path, settings: ChartSettings) -> Grid:
    """Reads the table in the file. `InputError` names the file, the line and the remedy."""
    text = _read_text(path, settings.encoding)
    if not text.strip():
        raise InputError(f"{path}: is empty")
    separator = settings.separator
    first, _, rest = text.partition("\n")
    if named := re.fullmatch(r"\s*sep=(.)\s*", first):
        separator, text = separator or named[1], rest
    separator = separator or _separator(text)
    rows = [[cell.strip() for cell in row] for row in _parse(path, text, separator)]
    if len(rows) > MOST_LINES:
        raise InputError(f"{path}: has more than {MOST_LINES:,} lines, but a chart shows only a few; make an excerpt")
    widths = Counter(len(row) for row in rows if len(row) > 1)  # lines with one cell are titles and notes
    if not widths:
        raise InputError(f"{path}: has only one column; give labels and at least one column of numbers")
    width = widths.most_common(1)[0][0]
    above, rows = _table_only(rows, width)
    title = " ".join(cell for row in above for cell in row if cell)
    if above and sum(map(bool, above[-1])) > 1:  # headings over groups of columns
        title, rows[0] = "", _joined(above[-1], rows[0])
    if len(rows) == 2 and time_places(rows[0][1:]):  # one row of years
        rows, width = [["", rows[1][0]], *map(list, zip(rows[0][1:], rows[1][1:], strict=False))], 2
    _check_lines(path, rows, width)
    if _is_headless(rows):
        raise InputError(f"{path}: its first line looks like data, not like headings; add a line of headings")
    columns: dict[str, list[str]] = {}
    for column, name in enumerate(rows[0] + [""] * (width - len(rows[0]))):
        name = name or (UNNAMED if column == 0 else "")
        if name and name not in columns:  # a chart cannot name columns with an empty or repeated heading
            columns[name] = [row[column] if column < len(row) else "" for row in rows[1:]]
    return Grid(pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)), separator, title)


def _read_text(path: Path, encoding: str | None) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if encoding is None:
        encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            best = charset_normalizer.from_bytes(data[:200_000]).best()
            encoding = best.encoding if best else "utf-8"
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise InputError(f"{path}: is not {encoding} text; set games.charts.encoding") from error


def _separator(text: str) -> str:
    """The first separator that splits most lines, nearly all of these into the same number of cells."""
    sample = text[:50_000].splitlines()[:200]
    for separator in SEPARATORS[:-1]:
        rows = [row for row in csv.reader(sample, delimiter=separator) if any(row)]
        widths = Counter(len(row) for row in rows if len(row) > 1)
        if widths and max(widths.values()) >= max(0.9 * widths.total(), 0.5 * len(rows)):
            return separator
    return ","


def _parse(path: Path, text: str, separator: str) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text.replace("\0", ""), newline=""), delimiter=separator)
    try:
        return [row for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: is not CSV ({error}); check its quotes") from error


def _table_only(rows: list[list[str]], width: int) -> tuple[list[list[str]], list[list[str]]]:
    """The lines above the headings, and the other rows without the notes below the table."""
    first = next((n for n, row in enumerate(rows) if sum(map(bool, row)) > max(width // 2, 1)), 0)
    last = len(rows)
    while last > first + 3 and (len(rows[last - 1]) == 1 or _NOTE.match(rows[last - 1][0])):
        last -= 1
    return rows[:first], rows[first:last]


def _joined(groups: Sequence[str], heads: Sequence[str]) -> list[str]:
    """The headings, with the group's heading in front of repeated ones. It stands above the group's first column."""
    found, group = [], ""
    for number, head in enumerate(heads):
        group = (groups[number] if number < len(groups) else "") or group
        found.append(f"{group} {head}".strip() if heads.count(head) > 1 else head)
    return found


def _check_lines(path: Path, rows: Sequence[Sequence[str]], width: int) -> None:
    if len(rows) < 3:
        raise InputError(f"{path}: has {max(len(rows) - 1, 0)} rows below the headings, but a chart needs at least two")
    for number, row in enumerate(rows[1:], 1):
        if any(row[width:]):
            raise InputError(
                f"{path}: row {number} below the headings has {len(row)} cells, but the table has {width} columns; "
                "quote cells that contain the separator"
            )


def _is_headless(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first line has numbers above every column of numbers, and these are not distinct years."""
    below = [[bool(_NUMBER.fullmatch(row[n])) for row in rows[1:] if n < len(row)] for n in range(len(rows[0]))]
    heads = [head for head, cells in zip(rows[0], below, strict=True) if sum(cells) >= 0.8 * len(rows[1:])]
    years = [bool(_YEAR.fullmatch(head)) for head in heads]
    numbers = bool(heads) and all(_NUMBER.fullmatch(head) for head in heads)
    return numbers and not (all(years) and len(set(heads)) == len(heads))
