"""Reading one cell of a table: a number as people write it, or nothing."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

MISSING = frozenset({"", "-", "–", "—", "nan", "na", "n/a", "n.a.", "null", "none", ".", "..", "…"})
_MARKS = re.compile(r"(?:\s*(?:[*†‡¹²³⁴⁵⁶⁷⁸⁹⁰]|\[\w{1,3}\]))+$")
_CURRENCY = r"(?:US\$|[$€£¥₹])"


def _pattern(decimal: str, grouping: str) -> re.Pattern[str]:
    whole = rf"(?:[1-9]\d{{0,2}}(?:{grouping}\d{{3}})+|\d+)"  # nobody writes a thousand as 0,123
    digits = rf"(?:{whole}(?:{decimal}\d+)?|{decimal}\d+)(?:[eE][-+]?\d+)?"
    return re.compile(
        rf"(?P<sign>[-−+]?)\s*(?P<before>{_CURRENCY}?)\s*(?P<inner>[-−+]?)(?P<digits>{digits})"
        rf"\s*(?P<after>%|‰|{_CURRENCY}|)"
    )


_NUMBER = {".": _pattern(r"\.", r"[,\s]"), ",": _pattern(",", r"[.\s]")}  # by the decimal mark


@dataclass(frozen=True)
class Cell:
    """A cell: its text without outer blanks, its value (None: missing), and what stands around the digits."""

    text: str
    value: float | None
    before: str = ""  # a currency
    after: str = ""  # %, ‰ or a currency

    @property
    def unit(self) -> str:
        return self.before + self.after


def read_cell(text: str, decimal: str = ".") -> Cell | None:
    """The cell, or None if it is neither a finite number nor one of the usual signs for a missing value.

    Read are thousands in groups (by comma or blank, or by point where the decimal mark is a comma), a sign, a
    currency, a per cent sign, and footnote marks behind the number, which stay in the text.
    """
    text = text.strip()
    if text.casefold() in MISSING:
        return Cell(text, None)
    found = _NUMBER[decimal].fullmatch(without_marks(text))
    if found is None or (found["sign"] and found["inner"]):
        return None
    digits = re.sub(r"[.\s]" if decimal == "," else r"[,\s]", "", found["digits"]).replace(",", ".")
    value = float(digits)
    if not math.isfinite(value):
        return None
    negative = (found["sign"] or found["inner"]) in {"-", "−"}
    return Cell(text, -value if negative else value, found["before"], found["after"])


def without_marks(text: str) -> str:
    """The text without footnote marks at its end: `2014*`, `2014¹` and `2014 [1]` are 2014."""
    return _MARKS.sub("", text.strip())
