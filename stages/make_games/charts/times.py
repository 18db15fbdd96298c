"""Which labels are times, and in which order they come."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from stages.make_games.charts.cells import without_marks

Key = tuple[int, ...]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_YEAR = r"(?P<year>1[5-9]\d\d|2[01]\d\d)"
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_NUMBER = r"(?P<number>0[1-9]|1[0-2])"  # of a month
_DAY = r"(?P<day>0?[1-9]|[12]\d|3[01])"
_QUARTER = r"q(?P<quarter>[1-4])"
_WEEKDAY = r"(?P<weekday>mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\.?"

_FORMS = [
    ("year", _YEAR),
    ("span of years", rf"{_YEAR}\s?[/–-]\s?(?:\d\d){{1,2}}"),
    ("quarter of a year", rf"{_QUARTER}[\s-]{_YEAR}"),
    ("quarter of a year", rf"{_YEAR}[\s-]?{_QUARTER}"),
    ("month of a year", rf"{_MONTH}[\s-]{_YEAR}"),
    ("month of a year", rf"{_YEAR}-{_NUMBER}"),
    ("date", rf"{_YEAR}-{_NUMBER}-{_DAY}"),
    ("day", rf"{_MONTH}\s{_DAY}"),
    ("day", rf"{_DAY}\.?\s{_MONTH}"),
    ("month", _MONTH),
    ("quarter", _QUARTER),
    ("weekday", _WEEKDAY),
]
_COMPILED = [(form, re.compile(pattern)) for form, pattern in _FORMS]
_WITHOUT_YEAR = {"day", "month", "quarter", "weekday"}  # where they begin is the table's own choice


def time_order(labels: Sequence[str]) -> list[int] | None:
    """The places of the labels in order of time, or None unless all are times of one form.

    Times without a year stay as they stand, since a season may run from November to March; but from the latest to
    the earliest they are turned round.
    """
    read = [_time(label) for label in labels]
    times = [time for time in read if time is not None]
    if not times or len(times) < len(read) or len({form for form, _ in times}) > 1:
        return None
    form, keys = times[0][0], [key for _, key in times]
    places = list(range(len(keys)))
    if form not in _WITHOUT_YEAR:
        return sorted(places, key=lambda place: keys[place])
    falling = len(keys) > 1 and all(later < earlier for earlier, later in pairwise(keys))
    return places[::-1] if falling else places


def along_time(labels: Sequence[str]) -> list[float]:
    """Where rows stand along a line, from 0 to rows − 1: by their years where all are years, else evenly."""
    read = [_time(label) for label in labels]
    years = [time[1][0] for time in read if time is not None and time[0] == "year"]
    last = len(labels) - 1
    if len(years) <= last or years[0] == years[-1]:
        return [float(row) for row in range(len(labels))]
    return [last * (year - years[0]) / (years[-1] - years[0]) for year in years]


def _time(label: str) -> tuple[str, Key] | None:
    """The form of a time and a key that sorts it among its like. Footnote marks do not count: `2014*` is 2014."""
    plain = without_marks(label).casefold()
    for form, pattern in _COMPILED:
        found = pattern.fullmatch(plain)
        if found:
            return form, _key(found.groupdict())
    return None


def _key(parts: dict[str, str]) -> Key:
    if "weekday" in parts:
        return (_DAYS.index(parts["weekday"][:3]),)
    month = _MONTHS.index(parts["month"][:3]) + 1 if "month" in parts else int(parts.get("number", 0))
    return (int(parts.get("year", 0)), int(parts.get("quarter", 0)), month, int(parts.get("day", 0)))
