"""Reads columns of numbers as people write them, and formats numbers for charts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

MISSING = ("", "-", "–", "—", "nan", "na", "n/a", "n.a.", "null", "none", ".", "..", "…", "x", "#n/a", "(na)", "inf",
           "-inf")  # fmt: skip
CURRENCY = r"(?:US\$|A\$|C\$|R\$|[$€£¥₹₽₩₺]|USD|EUR|GBP|CHF|Rs\.?)"
MARKS = r"(?:\s*(?:[*†‡¹²³⁴-⁹⁰]|\[\w{1,3}\]))*"  # footnote marks after a number or a label
_SCALES = {
    "k": 1e3,
    "thousand": 1e3,
    "mn": 1e6,
    "mio": 1e6,
    "million": 1e6,
    "bn": 1e9,
    "billion": 1e9,
    "trillion": 1e12,
}
_LETTERS = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_SHORT = {1e12: "T", 1e9: "B", 1e6: "M"}
_FROM = {1e12: 1e12, 1e9: 1e9, 1e6: 1e7}  # one million is still written out
DIGITS = 4  # most digits of a number on a chart; a whole number may have more
RARE = 0.2  # share of the numbers: a unit that fewer have, and not the first, is not the column's unit
LARGEST = 1e16  # on charts: larger numbers are codes, or unreadable


def _pattern(decimal: str, group: str) -> str:
    whole = rf"(?:[1-9]\d{{0,2}}(?:{group}\d{{3}})+|[1-9]\d?(?:,\d\d)+,\d{{3}}|\d+)"  # nobody writes 0,123 for 123
    scales = "|".join([*_SCALES, *_LETTERS])
    return (
        rf"^(?P<open>\()?\s*(?P<sign>[-−–+])?\s*(?P<before>{CURRENCY})?\s*(?P<inner>[-−–+])?"
        rf"(?P<digits>{whole}(?:{decimal}\d+)?|{decimal}\d+)(?P<power>[eE][-+]?\d+)?"
        rf"\s*(?P<scale>(?:{scales})\b)?\s*(?P<after>%|‰|{CURRENCY}|°?[\p{{L}}µ°][\p{{L}}²³/·]{{0,11}})?"
        rf"\s*(?P<close>\))?{MARKS}$"
    )


_PATTERNS = {".": _pattern(r"\.", r"[,\s'’]"), ",": _pattern(",", r"[.\s'’]")}
_NO_UNITS = ("st", "nd", "rd", "th", "am", "pm", "s", "d", "x", "e", "o", "ers", "er", "nde", "jährig")


@dataclass(frozen=True)
class Unit:
    """The text before and after a number, e.g. `$` or ` km`."""

    before: str = ""
    after: str = ""


NO_UNIT = Unit()


@dataclass(frozen=True)
class Numbers:
    """A column read as numbers: a value per row (null: missing), its unit, and the share of cells that are numbers."""

    values: pl.Series
    unit: Unit
    share: float
    mixed: bool  # more than one unit


def is_missing(texts: pl.Series, *, name: bool = False) -> pl.Series:
    """Whether cells are empty or mark a missing value. In a column of names, "none" and "x" may be answers."""
    return texts.str.to_lowercase().is_in([each for each in MISSING if not (name and each in ("none", "x"))])


def read_numbers(texts: pl.Series, decimal: str) -> Numbers:
    """The numbers in stripped cells. They may have thousands separators, a sign or accountants' brackets, a currency, a
    unit, a scale such as `k` or `million`, and footnote marks. `decimal`: the decimal mark."""
    cells = texts.set(is_missing(texts), None)
    parts = cells.str.extract_groups(_PATTERNS[decimal]).struct.unnest()
    digits = parts["digits"].str.replace_all(r"[.\s'’]" if decimal == "," else r"[,\s'’]", "").str.replace(",", ".")
    scales = pl.Series([_SCALES.get(each, _LETTERS.get(each, 1.0)) if each else 1.0 for each in parts["scale"]])
    negative = (parts["sign"].fill_null(parts["inner"]).is_in(["-", "−", "–"])) | parts["close"].is_not_null()
    odd = parts["after"].str.to_lowercase().is_in(_NO_UNITS) | (parts["open"].is_null() != parts["close"].is_null())
    odd |= parts["sign"].is_not_null() & parts["inner"].is_not_null()
    values = (digits + parts["power"].fill_null("")).cast(pl.Float64, strict=False) * scales
    values = values.set(odd.fill_null(value=False) | values.is_infinite().fill_null(value=False), None)
    values = values.zip_with(~negative.fill_null(value=False), -values)
    marked = [parts[name].set(values.is_null(), None) for name in ("before", "after")]
    for mark in marked:
        if 0 < len(mark) - mark.null_count() < RARE * (len(values) - values.null_count()) and mark.first() is None:
            values = values.set(mark.is_not_null(), None)  # "730 combined": nobody knows what that is
    before, after = (mark.set(values.is_null(), None).drop_nulls().unique().sort() for mark in marked)
    unit = Unit(before[0] if len(before) else "", _spaced(after[0]) if len(after) else "")
    given = len(cells) - cells.null_count()
    share = (given - (cells.is_not_null() & values.is_null()).sum()) / max(given, 1)
    return Numbers(values.alias(texts.name), unit, float(share), len(before) > 1 or len(after) > 1)


def decimal_mark(columns: Iterable[pl.Series]) -> str | None:
    """The decimal mark that some number in the columns needs; None if every number fits both."""
    for column in columns:
        by = {mark: column.str.contains(_PATTERNS[mark]).sum() for mark in _PATTERNS}
        if by["."] != by[","]:
            return max(by, key=lambda mark: by[mark])
    return None


def _spaced(unit: str) -> str:
    return f" {unit}" if unit[0].isalpha() else unit


@dataclass(frozen=True)
class Format:
    """How a chart writes its numbers: divided, rounded, in groups of three digits, with their unit."""

    decimals: int
    unit: Unit = NO_UNIT
    separator: str = ","
    divisor: float = 1.0

    def write(self, value: float) -> str:
        if value == 0 and self.divisor > 1:
            return f"{self.unit.before}0{self.unit.after}"
        text = f"{abs(value) / self.divisor:,.{self.decimals}f}".replace(",", self.separator)
        sign = "−" if value < 0 and any(digit in text for digit in "123456789") else ""
        return f"{sign}{self.unit.before}{text}{_SHORT.get(self.divisor, '')}{self.unit.after}"


def format_for(values: Iterable[float], unit: Unit, separator: str = ",", digits: int = DIGITS) -> Format:
    """A format with as many decimals as the values need, within `digits` digits."""
    shown = [abs(value) for value in values]
    largest = max(shown, default=0.0)
    divisor = next((step for step, least in _FROM.items() if largest >= least), 1.0)
    whole = math.floor(math.log10(largest / divisor)) + 1 if largest > 0 else 1
    most = min(max(digits - whole, 0), 8)
    scaled = [value / divisor for value in shown]
    exact = (n for n in range(most) if all(abs(round(v, n) - v) <= 1e-9 * largest / divisor for v in scaled))
    decimals = next(exact, most)
    return Format(2 if unit.before and decimals == 1 else decimals, unit, separator, divisor)
