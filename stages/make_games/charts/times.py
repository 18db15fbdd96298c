"""Labels that are times, and their positions on a time axis."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from dateutil import parser  # type: ignore[import-untyped]

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_YEAR = r"(?P<year>1[5-9]\d\d|20\d\d|2100)"
_MONTH = (
    r"(?P<month>jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)(?:uary|ruary|ch|il|ust|ember|tember|ober)?\.?"
)
_DAY = r"(?P<day>\d\d?)(?:st|nd|rd|th|\.)?"
_FORMS = {
    "year": [rf"(?:fy|cy)?\s?{_YEAR}(?:\.0)?"],
    "quarter of a year": [rf"q(?P<quarter>[1-4])[\s/-]?{_YEAR}", rf"{_YEAR}[\s/-]?q(?P<quarter>[1-4])"],
    "month of a year": [
        rf"{_MONTH}[\s/,-]+{_YEAR}",
        rf"{_YEAR}[\s/-]{_MONTH}",
        rf"{_YEAR}[-/.](?P<number>0[1-9]|1[0-2])",
    ],
    "span of years": [rf"{_YEAR}\s?[/–-]\s?(?:\d\d){{1,2}}"],
    "day": [rf"{_MONTH}\s{_DAY}", rf"{_DAY}\s{_MONTH}"],
    "month": [_MONTH],
    "quarter": [r"q(?P<quarter>[1-4])"],
    "weekday": [r"(?P<weekday>mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\.?"],
}
_COMPILED = {form: [re.compile(each) for each in patterns] for form, patterns in _FORMS.items()}
_WITHOUT_YEAR = ("day", "month", "quarter", "weekday")
_NAMED = r"(?:\d\d?(?:st|nd|rd|th)?[\s./-]*)?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[\d\s.,/-]+"
_DATE = re.compile(rf"(?:\d{{1,4}}[-/.]\d\d?[-/.]\d{{1,4}}|{_NAMED})(?:[t\s,].{{0,40}})?", re.IGNORECASE)
LAST_YEAR = 2150
MONTH = 25 / 365  # of a year, with some slack
_COUNTED = {"month": 12, "quarter": 4, "week": 53, "day": 366, "hour": 24, "weekday": 7}  # headings over plain numbers


_GRADE = re.compile(r"([a-f])([+-]|/[b-f]|)")
_FIRSTS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def in_order(labels: Sequence[str]) -> tuple[list[str], bool]:
    """The labels in their natural order, such as grades or age groups; and whether most of them have one."""
    ranks = {label: rank for label in labels if (rank := _rank(label.casefold())) is not None}
    ordered = len(ranks) > 0.7 * len(labels)
    return sorted(labels, key=lambda label: ranks.get(label, float("inf"))) if ordered else list(labels), ordered


def _rank(label: str) -> float | None:
    if grade := _GRADE.fullmatch(label):
        return 3 * ord(grade[1]) + {"+": -1, "": 0, "-": 1}.get(grade[2], 1.5)
    if (first := label.split()[:1]) and first[0] in _FIRSTS:
        return _FIRSTS.index(first[0])
    number = re.match(r"(\D{0,10}?)(\d+(?:\.\d+)?)", label)
    return number and float(number[2]) - ("under" in number[1] or "<" in number[1]) / 2


def without_marks(label: str) -> str:
    """The label without footnote marks at its end: `2014*`, `2014¹` and `2014 [1]` become 2014."""
    return re.sub(r"\s?\[\w{1,3}\]$", "", label.strip()).rstrip("*†‡¹²³⁴⁵⁶⁷⁸⁹⁰ ")


def time_places(labels: Sequence[str], heading: str = "") -> list[float] | None:
    """The position of each label in time, or None unless all are times in one format.

    Times with a year are measured in years. Times without one keep the order of their rows: a season may run from
    November to March.
    """
    plain = [without_marks(label).casefold() for label in labels]
    if not plain:
        return None
    most = _COUNTED.get(heading.casefold().strip())
    if most and all(re.fullmatch(r"\d{1,3}", label) and int(label) <= most for label in plain):
        return [float(label) for label in plain]
    if re.search(r"\byears?\b", heading.casefold()) and all(re.fullmatch(r"-?\d{1,4}", label) for label in plain):
        last = max(map(int, plain))  # a largest number between 100 and 1000 is a number of days
        return [float(label) for label in plain] if last < 100 or 1000 <= last <= LAST_YEAR else None
    for form, patterns in _COMPILED.items():
        if not any(pattern.fullmatch(plain[0]) for pattern in patterns):
            continue
        found = [next((hit for each in patterns if (hit := each.fullmatch(label))), None) for label in plain]
        keys = [_place(hit.groupdict()) for hit in found if hit is not None]
        if len(keys) < len(plain):
            continue
        return _by_rows(keys) if form in _WITHOUT_YEAR else keys
    return _dates(plain)


def uneven(places: Sequence[float]) -> bool:
    """Whether times less than a month apart come at odd intervals, as events do. A few days off do not matter."""
    gaps = sorted(later - earlier for earlier, later in pairwise(sorted(set(places))))
    middle = gaps[len(gaps) // 2] if gaps else 1.0
    return middle < MONTH and sum(abs(gap - middle) <= 0.1 * middle for gap in gaps) < len(gaps) / 2


def _place(parts: dict[str, str | None]) -> float:
    if weekday := parts.get("weekday"):
        return float(_DAYS.index(weekday[:3]))
    month = _MONTHS.index(parts["month"][:3]) if parts.get("month") else int(parts.get("number") or 1) - 1  # type: ignore[index]
    quarter, day = int(parts.get("quarter") or 1) - 1, int(parts.get("day") or 1) - 1
    return int(parts.get("year") or 0) + (month + 3 * quarter) / 12 + day / 372


def _by_rows(keys: list[float]) -> list[float]:
    """Positions in row order if the rows run through time, from any start or backwards; else in time order.

    Repeated times share a position.
    """
    rows, order = list(dict.fromkeys(keys)), sorted(set(keys))
    turns = [order[start:] + order[:start] for start in range(len(order))]
    if rows in turns:
        order = rows
    elif rows[::-1] in turns:
        order = rows[::-1]
    return [float(order.index(key)) for key in keys]


def _dates(plain: Sequence[str]) -> list[float] | None:
    """Dates in years, perhaps with a time of day and a zone. The whole column decides whether the day comes first."""
    if not all(_DATE.fullmatch(label) for label in plain):
        return None
    both = [(int(hit[1]), int(hit[2])) for label in plain if (hit := re.match(r"(\d\d?)[-/.](\d\d?)[-/.]\d", label))]
    days, months = {first for first, _ in both}, {second for _, second in both}
    day_first = (
        any(day > 12 for day in days) or (len(days) == 1 < len(months) and max(months) <= 12) or "." in plain[0][:3]
    )
    try:
        read = [parser.parse(label, dayfirst=day_first, default=datetime(2000, 1, 1)) for label in plain]
    except (ValueError, OverflowError):
        return None
    naive = [time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time for time in read]
    return [(time - datetime(1, 1, 1)).total_seconds() / 86400 / 365.2425 + 1 for time in naive]
