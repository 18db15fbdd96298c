"""Reading a CSV file as lines of cells, before anything is made of them."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from stages.core.errors import InputError

# A comma may stand in any label, but hardly ever as many semicolons or tabs in every line of a file.
_DELIMITERS = {"\t": "tab", ";": "semicolon", ",": "comma"}


@dataclass(frozen=True)
class Line:
    """A line of a table: its number in the file, from 1 (of cells with line breaks: the last), and its cells."""

    number: int
    cells: list[str]


@dataclass(frozen=True)
class Grid:
    """A file's lines, all as long as the first, which holds the headings. At least two lines and two columns."""

    path: Path
    delimiter: str
    header: list[str]
    lines: list[Line]


def read_grid(path: Path) -> Grid:
    """The file as a grid. Cells are separated by comma, semicolon or tab, whichever gives lines of one length.

    `InputError` names the file, the line and the remedy.
    """
    text = _read_text(path)
    for delimiter in _DELIMITERS:
        lines = _parse(text, delimiter, path)
        if lines and len(lines[0].cells) > 1 and len({len(line.cells) for line in lines}) == 1:
            break
    else:
        delimiter, lines = ",", _parse(text, ",", path)
        _refuse_ragged(path, lines)
    if len(lines) < 3:
        raise InputError(f"{path}: has {max(len(lines) - 1, 0)} rows below its headings; a chart needs at least two")
    header = [cell.strip() for cell in lines[0].cells]
    _check_headings(path, header)
    return Grid(path, delimiter, header, lines[1:])


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text (byte {error.start}); save it as 'CSV UTF-8'") from error


def _parse(text: str, delimiter: str, path: Path) -> list[Line]:
    """The lines that are not blank; none if the quotes make no sense with this delimiter, unless it is the last."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[Line] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append(Line(reader.line_num, cells))
    except csv.Error as error:
        if delimiter != ",":
            return []
        raise InputError(
            f"{path}: line {reader.line_num}: is not CSV ({error}); a cell in quotes ends with one, and a quote within "
            "it is doubled"
        ) from error
    return lines


def _refuse_ragged(path: Path, lines: list[Line]) -> None:
    if not lines:
        raise InputError(f"{path}: is empty; a table has a line of headings, then a line a row")
    columns = len(lines[0].cells)
    if columns < 2:
        names = ", ".join(_DELIMITERS.values())
        raise InputError(
            f"{path}: has one column; give labels and at least one column of numbers, separated by {names}"
        )
    for line in lines[1:]:
        if len(line.cells) != columns:
            raise InputError(
                f"{path}: line {line.number}: has {len(line.cells)} cells, but there are {columns} headings; a cell "
                "with a comma in it needs quotes"
            )


def _check_headings(path: Path, header: list[str]) -> None:
    seen: dict[str, int] = {}
    for column, name in enumerate(header, start=1):
        if not name and column > 1:
            raise InputError(f"{path}: column {column} has no heading; give it one, or leave the column out")
        if name in seen:
            raise InputError(f"{path}: columns {seen[name]} and {column} are both headed '{name}'; rename one of them")
        seen[name] = column
