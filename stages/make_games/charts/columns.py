"""Classifies each column of a table: labels, times, values with a unit, or something that no chart shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

from stages.core.errors import InputError
from stages.core.recipe.charts import ChartSettings
from stages.make_games.charts.numbers import LARGEST, NO_UNIT, Unit, decimal_mark, is_missing, read_numbers
from stages.make_games.charts.reading import UNNAMED, Grid
from stages.make_games.charts.times import time_places, without_marks

Role = Literal["text", "time", "value", "constant", "none"]

# Whether sums of values make sense: "whole" for votes, which are parts of one whole; "yes" if the heading says so;
# "maybe" for counts whose heading does not say.
Sums = Literal["whole", "yes", "maybe", "no"]

LEAST_NUMBERS = 0.9  # share of a column's cells that must be numbers in a column of values
LONGEST_HEADING = 300  # letters; only shorter headings are searched for a source
MOST_CODES = 7  # so few different whole numbers in many rows are codes, not measurements
MOST_COUNTED = 30  # many whole numbers below this are counts, even if the heading says per cent
LONGEST_LABEL = 60  # letters on average; longer texts are prose


def _any_of(words: str, more: str = "") -> re.Pattern[str]:
    """A pattern that matches any of the words, as a whole word."""
    return re.compile(rf"\b(?:{'|'.join(words.split())})\b{more}")


_NO_VALUES = _any_of(
    "ids? u?uid key codes? fips fp ce geo geoid zip zipcode postcode postal isbn phone unnamed no nr row district ward "
    "precinct rank ranking position pos place placing seed standing order founded born built established opened since "
    "lat latitude lon lng long longitude year yr date month week day hour flag season episode chapter round version",
    more="|^(?:#|index|x|y|z|lo|hi|lower|upper|se|)$|\\b(?:subject|participant|nature|category|class|type|status|cluster)$",
)
_TIME = _any_of(
    "years? yrs? dates? seasons? time periods? quarters? months? decade day week since founded born built fy",
    more="|^$",
)
_RATES = _any_of(
    "average avg mean median rate ratio per index score price max min temp temperature age speed change growth",
    more="|%",
)
SUMS = _any_of(
    "count number total amount sales sold production output emissions passengers visitors visits votes seats deaths "
    "births cases loans members membership tonnes tons [kmgt]wh students pupils children spending expenditure budget "
    "exports imports generation consumption revenue population people persons households respondents answers arrivals "
    "departures goals wins medals trees harvest yield electricity energy tickets orders users downloads employees jobs "
    "accidents crimes"
)
_VOTES = _any_of("votes seats respondents answers responses")
_QUANTITIES = {
    "count": re.compile("^(?:number|count|total|no)(?: of)?\\b"),
    "%": _any_of("percent percentage percentages pct shares? proportion fraction prob probability likelihood"),
    "rate": _any_of("rates? ratio per density"),
    "statistic": _any_of("median mean average avg p\\d\\d percentile quartile std"),
    "change": _any_of("changes? difference increase decrease growth"),
    "temperature": _any_of("temps? temperatures?"),
    "water": _any_of("precipitation rain rainfall snow snowfall"),
    "speed": _any_of("speed velocity mph"),
    "pressure": _any_of("pressure"),
    "age": _any_of("ages?"),
    "mass": _any_of("weight mass"),
    "length": _any_of("height length width depth distance altitude elevation radius diameter thickness size"),
    "duration": _any_of("duration runtime time"),
    "minutes": _any_of("minutes? mins?"),
    "hours": _any_of("hours? hrs?"),
    "seconds": _any_of("seconds? secs?"),
    "days": _any_of("days weeks months years"),
    "people": _any_of("population people persons inhabitants residents"),
    "area": _any_of("area"),
    "score": _any_of("scores? ratings? index points grade stars gpa elo rank level"),
    "volume": _any_of("volume capacity"),
    "energy": _any_of("horsepower power energy electricity generation calories [kmgt]wh"),
    "money": _any_of(
        "prices? costs? income salary wages? gdp gni revenue profit budget spending expenditure fares? rent earnings "
        "fees? bill tip tax dollars? usd eur gross debt fund close open high low adjclose"
    ),
}
_IN_HEADING = re.compile(
    r"[(\[,]\s*([^()\[\],]{1,25})[)\]]?\s*$|(?:\bin\s|_)(mm|cm|m|km|g|kg|mg|l|ml|ha|mph|usd|eur|ft|lbs?|kwh|twh)$"
)
CODE = r"^\S*\d{4}\S*$"  # a name that nobody reads, such as LAUCN010010000000003
_UNIT_WORD = re.compile(
    r"(?:[%‰$€£¥]|us\$|[°µ]|(?:[kmcµ]?m|[kmµ]?g|m?l|t|ha|c|f|in|ft|lbs?|mi|mph|ppm|[kmgt]?wh?|usd|eur|gbp|tonnes?|tons|kilo\w*|"
    r"million\w*|thousands?|billions?|hours?|minutes?|seconds?|days?|years?|miles|metres|meters|litres|persons|people|points|"
    r"percent|index)\b|.*\bper\b|.*/)", re.IGNORECASE,
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column and its role. `kind` names the unit for comparison: columns share an axis only if their kinds match."""

    name: str
    role: Role
    texts: pl.Series
    values: pl.Series | None = None
    unit: Unit = NO_UNIT
    kind: str = ""
    sums: Sums = "no"
    places: dict[str, float] = field(default_factory=dict)  # positions of times, by text

    @property
    def label(self) -> str:
        """The heading as a chart shows it: `body_mass` becomes Body mass; sources in brackets are dropped."""
        if self.name == UNNAMED:
            return ""
        inner, text = r"(?:[^()]|\([^()]*\))*", self.name
        if len(text) <= LONGEST_HEADING:
            text = re.sub(rf"\s*\({inner}\b(?:19|20)\d\d\b{inner}\)", "", text)
        text = without_marks(text)
        text = " ".join(re.sub(r"[_\s]+|(?<=[a-z])(?=[A-Z][a-z])", " ", text).split())
        return text[:1].upper() + text[1:]


def columns_of(path: Path, grid: Grid, settings: ChartSettings) -> list[Column]:
    """All columns of the table. `InputError` if the settings name a missing column or one that does not fit."""
    chosen = [settings.label, settings.series, settings.time, *settings.values]
    for name in chosen:
        if name and name not in grid.frame.columns:
            raise InputError(f"{path}: has no column '{name}'; its columns are {', '.join(grid.frame.columns)[:200]}")
    texts = grid.frame.get_columns()
    usual = "," if grid.separator == ";" else "."
    common = {"point": ".", "comma": ","}.get(settings.decimal) or decimal_mark(texts) or usual
    columns = [_column(each, common, number, settings) for number, each in enumerate(texts)]
    for column in columns:
        if column.name == settings.time and column.role != "time":
            raise InputError(f"{path}: column '{column.name}' does not hold times in one format; name another column")
        if column.name in settings.values and column.role != "value":
            raise InputError(f"{path}: column '{column.name}' does not hold numbers in one unit; name another column")
    return columns


def _column(texts: pl.Series, common: str, number: int, settings: ChartSettings) -> Column:
    name, words = texts.name, words_of(texts.name)
    given = texts.filter(~is_missing(texts))
    distinct = given.unique(maintain_order=True)
    if name in (settings.label, settings.series):
        return Column(name, "text", texts, places=_places(distinct.to_list(), words))
    if not settings.values or name not in settings.values:
        if name == settings.time or _may_be_time(words, distinct, number):
            places = _places(distinct.to_list(), words)
            if places:
                return Column(name, "time" if len(distinct) > 1 else "constant", texts, places=places)
        if len(distinct) < 2 or name == settings.time:
            return Column(name, "constant" if len(distinct) else "none", texts)
    own = common if settings.decimal != "auto" else decimal_mark([texts]) or common
    read = read_numbers(texts, own)
    if read.share < LEAST_NUMBERS or read.mixed or read.values.null_count() == len(texts):
        links = bool(distinct.str.contains("https?://|@").any())
        prose = links or sum(map(len, distinct)) > LONGEST_LABEL * len(distinct)
        codes = bool(distinct.str.contains(CODE).all())
        return Column(name, "none" if prose or codes else "text", texts)
    if name in settings.values or (not settings.values and _is_value(read.values, words, number)):
        unit, kind = _unit(name, words, read.unit, read.values)
        unit, kind = (Unit(after=f" {settings.unit}"), f"{settings.unit}|") if settings.unit else (unit, kind)
        return Column(name, "value", texts, read.values, unit, kind, _sums(words, kind, read.values))
    return Column(name, "none", texts)


def words_of(name: str) -> str:
    """A heading as lower-case words: `recordMinTemp_year` becomes `record min temp year`."""
    return " ".join(re.sub(r"[_\s.]+|(?<=[a-z])(?=[A-Z])", " ", name).casefold().split())


def quantity(words: str) -> str:
    """The quantity that the words name, from a short list; empty if they name none."""
    found = {hit.end(): name for name, pattern in _QUANTITIES.items() for hit in pattern.finditer(words)}
    return "%" if "%" in found.values() else found[max(found)] if found else ""


def _sums(words: str, kind: str, values: pl.Series) -> Sums:
    if _RATES.search(words) or re.search("%|/| per ", kind) or float(values.min()) < 0:  # type: ignore[arg-type]
        return "no"
    if _VOTES.search(words):
        return "whole"
    counts = kind in ("|", "|people") and bool((values.drop_nulls() % 1 == 0).all())
    return "yes" if SUMS.search(words) else "maybe" if counts or kind.endswith("|money") else "no"


def _may_be_time(words: str, distinct: pl.Series, number: int) -> bool:
    """Whether to look for times: whole numbers count as years only in the first column, or if the heading says so."""
    whole = distinct.str.contains(r"^\d+(\.0)?$").all()
    return len(distinct) > 0 and (not whole or bool(_TIME.search(words)) or number == 0)


def _places(distinct: Sequence[str], words: str) -> dict[str, float]:
    places = time_places(distinct, words)
    return dict(zip(distinct, places, strict=True)) if places else {}


def _is_value(values: pl.Series, words: str, number: int) -> bool:
    """Whether numbers are measurements, not names, ranks, codes, map coordinates, flags, or row numbers."""
    if _NO_VALUES.search(words) and not _RATES.search(words) and quantity(words) not in ("money", "%"):
        return False
    given = values.drop_nulls()
    rows = given.to_list()
    counts_rows = number == 0 and rows[0] in (0, 1) and rows == [rows[0] + n for n in range(len(rows))]
    few, whole = given.n_unique(), bool((given % 1 == 0).all())
    flags = set(rows[:1000]) <= {0.0, 1.0, 2.0} or (few <= MOST_CODES and len(rows) >= 30 and whole)
    return not (counts_rows or flags or few < 2 or max(map(abs, rows)) >= LARGEST)


def _unit(name: str, words: str, unit: Unit, values: pl.Series) -> tuple[Unit, str]:
    """The unit, from the cells or the heading, and the name for comparing columns."""
    hit = _IN_HEADING.search(name) or _IN_HEADING.search(words)
    said = (hit[1] or hit[2]).strip() if hit else ""
    said = said if _UNIT_WORD.match(said) else ""
    what = quantity(words)
    highest = float(values.abs().max())  # type: ignore[arg-type]
    counts = highest < MOST_COUNTED <= len(values) and (values.drop_nulls() % 1 == 0).sum() > len(values) / 2
    share = what == "%" and not said and 1.5 < highest <= 100 and not counts  # `terms_pct` holds counts of terms
    per_cent = "%" in said or "percent" in said.casefold() or share
    if per_cent and not unit.before and not unit.after:
        unit = Unit(after="%")
    written = (unit.before + unit.after).strip() or said.casefold()
    if not written and not what and highest <= 1:
        what = "fraction"
    return unit, f"{written}|{'' if unit.after == '%' else what}"
