"""One pair of charts: a part of a table, and the same part with two values swapped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from textwrap import shorten
from typing import Any

from PIL import Image

from stages.core.pictures import png
from stages.core.recipe.charts import Kind
from stages.core.seeds import rng
from stages.make_games.charts.cutting import cut
from stages.make_games.charts.drawing import LEAST_TEXT, TEXT_SIZE, NoRoom, draw
from stages.make_games.charts.fonts import families_of, missing_letters
from stages.make_games.charts.looks import BARS, Chart, Style, draw_style
from stages.make_games.charts.numbers import format_for
from stages.make_games.charts.swap import ChartTable, changes, draw_swap
from stages.make_games.charts.tables import lowered, read_table
from stages.make_games.pair import Made, Pair, Skipped

TRIES = 10  # parts of the table to try for each kind
LONGEST_TITLE = 100  # letters
MOST_NUMBERS = 12  # at the points of a line
NO_LETTERS, NO_ROOM = "letters missing", "no room for its labels"
NO_SWAP = "values are equal, closer than games.charts.min_difference allows, too far apart, or break a rule if swapped"
_ABBREVIATIONS = re.compile(r"\b(?:us|usa|uk|eu|gdp|co2|nyc|nfl|nba)\b", re.IGNORECASE)  # in file names
_BRACKETS = re.compile(r"\s*\((?:[^()]|\([^()]*\))*(?:\)|$)")
_NAMELESS = re.compile(r"(?:values?|number|amount|data|table|dataset|train|test|chart|output|sheet)?")


@dataclass(frozen=True)
class ChartPair(Pair):
    """A table to draw twice, as the first of `kinds` that gives a visible swap.

    A swap leaves traces, such as a dent in a growing series. So a coin flip, seeded by the pair's seed, decides whether
    the table as given becomes the original or the modified picture. Nothing else depends on the coin. A single picture
    thus never shows which of the two it is, even to someone who knows well what tables look like.
    """

    path: Path
    kinds: tuple[Kind, ...]  # those that fit the table, in the order to try them

    def make(self) -> Made | Skipped:
        tried: Skipped | None = None
        for kind in self.kinds:
            for attempt in range(TRIES):
                made = self._try(kind, attempt)
                if isinstance(made, Made):
                    return made
                tried = made or tried
        return tried or Skipped("no visible swap", f"{self.path.name}: {NO_SWAP}")

    def _try(self, kind: Kind, attempt: int) -> Made | Skipped | None:
        """Both pictures of one part of the table, or None if no swap in it is visible."""
        settings = self.games.charts
        part = cut(read_table(self.path, settings), kind, rng(self.seed, "part", kind, attempt))
        if part is None:
            return None
        style = draw_style(rng(self.seed, "style"))
        if self.blank:
            return self._made(kind, (part,), style)
        swapped = draw_swap(kind, part, settings, style.from_zero, rng(self.seed, "swap", kind, attempt))
        if swapped is None:
            return None
        return self._made(kind, (part, swapped) if as_given(self.seed) else (swapped, part), style)

    def _made(self, kind: Kind, versions: Sequence[ChartTable], style: Style) -> Made | Skipped:
        """The pictures of these tables, the original first."""
        games, size = self.games, (self.games.width, self.games.height)
        fonts = tuple(name for font in games.charts.fonts for name in families_of(font))
        title = _title(kind, self.path, versions[0], read_table(self.path, games.charts).title)
        letters = missing_letters(title + str(versions[0]), [style.font, *fonts])
        if letters:
            why = f"the font {style.font} lacks {letters[:10]!r}; name a font that has them in games.charts.fonts"
            return Skipped(NO_LETTERS, f"{self.path.name}: {why}")
        text = max(TEXT_SIZE * (size[0] * size[1]) ** 0.5, LEAST_TEXT) * style.text_scale
        note = f"Source: {self.path.name}" if style.note and len(self.path.name) < 50 else ""
        values = [value for series in versions[0].series for value in series.values if value is not None]
        numbers = format_for(values, versions[0].series[-1].unit, style.separator)
        for look, horizontal, value_labels in _attempts(kind, style, versions[0]):
            chart = Chart(kind, title, note, *size, text, look, fonts, numbers, horizontal, value_labels)
            try:
                pictures = draw(chart, versions)
            except NoRoom:
                continue
            return self._pair(chart, versions, [png(Image.fromarray(picture)) for picture in pictures])
        why = f"{NO_ROOM} at {size[0]}x{size[1]}; make pictures larger"
        return Skipped(NO_ROOM, f"{self.path.name}: {why}")

    def _pair(self, chart: Chart, versions: Sequence[ChartTable], pictures: Sequence[bytes]) -> Made:
        given = (True,) if len(versions) == 1 else (as_given(self.seed), not as_given(self.seed))
        source = {"file": self.path.name, **versions[0].origin}
        both = zip(versions, given, strict=True)
        scenes = [{**_scene(chart, table), "source": {**source, "as_given": own}} for table, own in both]
        counts = {f"{chart.kind} charts": 1}
        if len(versions) == 1:
            return Made(pictures[0], None, scene=scenes[0], counts=counts)
        return Made(pictures[0], pictures[1], changes(*versions), scenes[0], scenes[1], counts)


def _attempts(kind: Kind, style: Style, table: ChartTable) -> list[tuple[Style, bool, bool]]:
    """Combinations to try of style, horizontal bars and numbers at marks: first as drawn, then with more room."""
    if kind == "pie":
        outsides, shares = (style.outside, not style.outside), dict.fromkeys([style.share_labels, True])
        looks = [replace(style, outside=outside, share_labels=share) for outside in outsides for share in shares]
        return [(look, False, True) for look in looks]
    numbers = style.value_labels and (kind != "line" or (len(table.series) == 1 and len(table.labels) <= MOST_NUMBERS))
    ways = (style.horizontal, not style.horizontal) if kind in BARS else (False,)
    return [(style, way, label) for way in ways for label in dict.fromkeys([numbers, False])]


def _title(kind: Kind, path: Path, table: ChartTable, given: str) -> str:
    """From the lines above the table, the file name if it has words, or the measure; and what all rows share."""
    name = given or _words_of(path.stem)
    if not given and all(_NAMELESS.fullmatch(word) for word in re.findall(r"[^\W\d_]{2,}", name.casefold())):
        name = ""
    measure = "" if _NAMELESS.fullmatch(table.measure.casefold()) else table.measure
    if measure and (not name or len(measure) > 25 or len(name) + len(table.title) > LONGEST_TITLE):
        name = measure
    elif kind == "pie" and measure and measure.casefold() not in name.casefold():  # a pie has no axis to show it
        name = f"{name}: {lowered(measure)}"
    if kind == "pie" and table.heading and not table.question and table.heading.casefold() not in name.casefold():
        name = f"{name} by {lowered(table.heading)}"
    name = table.question or name
    if not name:
        given_names = (each.name for each in table.series if not each.name.isdigit())
        *first, last = [each for each in given_names if not _NAMELESS.fullmatch(each.casefold())] or [""]
        name = " and ".join([", ".join(first), last] if first else [last])
        name = "" if first and len(name) > LONGEST_TITLE // 2 else name  # the legend shows them
    said = "" if _says(name, table.title) else table.title
    room = max(LONGEST_TITLE - len(said), LONGEST_TITLE // 2)  # what all rows share is never left out
    if len(name) > room and not table.question:
        name = shorten(_BRACKETS.sub("", name), room, placeholder="…")
    title = ", ".join(part[:1].upper() + part[1:] for part in (name, said) if part).replace("?,", "?")
    return title if given else _ABBREVIATIONS.sub(lambda hit: hit[0].upper(), title)


def _words_of(stem: str) -> str:
    """The words of a file name. A dash between spaces stays a dash; long numbers are dropped."""
    plain = re.sub(r"[-_]+|\.(?=\S)", " ", re.sub(r"\s-+\s", " – ", stem))
    return " ".join(re.sub(r"\b\d{6,}\b", "", plain).split()).strip(" –.")


def _says(name: str, title: str) -> bool:
    """Whether the name contains the title's words. Brackets often name the source, so in brackets only the exact title
    counts."""
    outside, wanted = (" ".join(re.findall(r"\w+", text)) for text in (_BRACKETS.sub("", name), title))
    return f" {wanted} " in f" {outside} " or f"({title})" in name


def _scene(chart: Chart, table: ChartTable) -> dict[str, Any]:
    """The chart and what it shows, as JSON values."""
    units = {series.name: (series.unit.before + series.unit.after).strip() for series in table.series}
    values = {series.name: list(series.values) for series in table.series}
    shown: dict[str, Any] = {"labels": list(table.labels), "series": values, "heading": table.heading}
    shown |= {"measure": table.measure, "units": units, "ordered": bool(table.places)}
    return {"kind": chart.kind, "title": chart.title, "table": shown, "chart": asdict(chart)}


def as_given(seed: int) -> bool:
    """The coin: whether the original shows the table as given, and the modified picture the swapped table."""
    return rng(seed, "which is the original").random() < 0.5
