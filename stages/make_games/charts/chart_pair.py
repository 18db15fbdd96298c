"""One pair of charts: a table, and the same with two values exchanged."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.core.errors import MissingExtra
from stages.core.pictures import png
from stages.core.recipe.charts import Kind
from stages.core.seeds import rng
from stages.make_games.charts.looks import Style, draw_style
from stages.make_games.charts.parts import Part, cut
from stages.make_games.charts.swap import changes, draw_swap, exchange
from stages.make_games.charts.tables import ChartTable, words_of
from stages.make_games.charts.words import NoRoom
from stages.make_games.pair import Made, Pair, Skipped

if TYPE_CHECKING:
    from stages.make_games.charts.chart import Chart

EXTRA, PACKAGE = "charts", "matplotlib"
PLAIN = 32  # difference of a channel, of 255, above which two pixels differ plainly
MIN_PIXELS = 100  # that differ plainly between pictures of 480 by 320; half of what CLEVR wants of an object
MEASURED_AT = 480 * 320 * 3  # numbers in such a picture
TRIES = 3  # parts of the table with which a kind is tried
NO_KIND, NO_SWAP, NO_LETTERS, BAD_TABLE = "no kind of chart fits", "no visible swap", "letters missing", "bad table"
NO_ROOM = "no room for its labels"

Picture = NDArray[np.uint8]  # (height, width, 3) sRGB


@dataclass(frozen=True)
class ChartPair(Pair):
    """A table to be drawn twice, as the first of `kinds` that gives a visible swap.

    A swap leaves traces: bars that fell from left to right do so no longer, a growing series has a dent. Whoever sees
    one chart could often say whether its table was tampered with. Hence a coin, thrown by the pair's seed for nothing
    else, decides whether the table as given becomes the original picture and the swapped one the modified, or the
    other way round. Style, axes, layout and the swap itself do not depend on the coin, so that both of its sides give
    the same two pictures: a single picture says nothing about which of the two it is, and no classifier is right more
    often than half the time on average, however well it knows what tables look like.
    """

    table: ChartTable
    kinds: tuple[Kind, ...]  # that fit the table, in the order in which they are tried

    def make(self) -> Made | Skipped:
        if not self.kinds:
            wanted = ", ".join(self.games.charts.kinds)
            return Skipped(NO_KIND, f"{self.table.name}: has not the rows, numbers or units for {wanted}")
        from stages.make_games.charts.drawing import own_settings

        with own_settings():
            return self._first_visible()

    def check_installed(self) -> None:
        check_installed()

    def _first_visible(self) -> Made | Skipped:
        tried: Made | Skipped | None = None
        for kind in self.kinds:
            for attempt in range(TRIES):
                tried = self._try(kind, attempt) or tried
                if isinstance(tried, Made):
                    return tried
        return tried or Skipped(
            NO_SWAP,
            f"{self.table.name}: values are equal, or nearer than games.charts.min_difference allows",
        )

    def _try(self, kind: Kind, attempt: int) -> Made | Skipped | None:
        """Both pictures with one part of the table, or None if no swap in it can be seen."""
        settings = self.games.charts
        part = cut(self.table, kind, rng(self.seed, "part", kind, attempt))
        style = draw_style(rng(self.seed, "style"))
        if self.blank:
            return self._made(part, (part.table,), style)
        swap = draw_swap(kind, part.table, settings, style.from_zero, rng(self.seed, "swap", kind, attempt))
        if swap is None:
            return None
        versions = (part.table, exchange(part.table, swap))
        return self._made(part, versions if as_given(self.seed) else versions[::-1], style)

    def _made(self, part: Part, versions: tuple[ChartTable, ...], style: Style) -> Made | Skipped | None:
        """The pictures of these tables, the original's first; None if they hardly differ."""
        from stages.make_games.charts.text import missing_letters

        games = self.games
        letters = missing_letters(words_of(part.table), style.font)
        if letters:
            return Skipped(NO_LETTERS, f"{self.table.name}: the font {style.font} has no {letters[:10]!r}")
        try:
            chart, pictures = self._drawn(part, versions, style)
        except NoRoom:
            size = f"{games.width}x{games.height}"
            remedy = "make pictures larger"
            return Skipped(NO_ROOM, f"{self.table.name}: {NO_ROOM} at {size}; {remedy}")
        if len(pictures) > 1 and differing(*pictures) < MIN_PIXELS * pictures[0].size / MEASURED_AT:
            return None
        files = [png(Image.fromarray(picture)) for picture in pictures]
        scenes = [self._scene(part, chart, table) for table in versions]
        counts = {f"{part.kind} charts": 1}
        if len(versions) == 1:
            return Made(files[0], None, scene=scenes[0], counts=counts)
        return Made(files[0], files[1], changes(*versions), scenes[0], scenes[1], counts)

    def _drawn(self, part: Part, versions: tuple[ChartTable, ...], style: Style) -> tuple[Chart, list[Picture]]:
        """The chart and its picture with each table. `NoRoom` if the words of one do not fit."""
        from stages.make_games.charts.composing import compose
        from stages.make_games.charts.drawing import draw

        games = self.games
        chart = compose(part, versions, style, (games.width, games.height))
        return chart, [draw(chart, table) for table in versions]

    def _scene(self, part: Part, chart: Chart, table: ChartTable) -> dict[str, Any]:
        """The chart as JSON, and where its numbers come from: how many rows and series of how many, as they stand or
        turned, and whether the values are the table's own."""
        from stages.make_games.charts.chart import to_json

        drawn = {"rows": [len(table.labels), part.whole_rows], "series": [len(table.series), part.whole_series]}
        source = {"file": f"{table.name}.csv", **drawn, "turned": part.turned, "as_given": table == part.table}
        return {**to_json(chart, table), "source": source}


@dataclass(frozen=True)
class BadTable(Pair):
    """A table that cannot be read, where such are skipped."""

    error: str

    def make(self) -> Skipped:
        return Skipped(BAD_TABLE, self.error)


def as_given(seed: int) -> bool:
    """The coin: whether the original shows the table as given and the modified picture the swapped one."""
    return rng(seed, "which is the original").random() < 0.5


def differing(one: Picture, other: Picture) -> int:
    """Pixels in which two pictures of one size differ plainly."""
    apart = np.abs(one.astype(np.int16) - other.astype(np.int16)).max(axis=2)
    return int(np.count_nonzero(apart > PLAIN))


def check_installed() -> None:
    """`MissingExtra` unless matplotlib is there; it is not imported."""
    if find_spec(PACKAGE) is None:
        raise MissingExtra(EXTRA, PACKAGE)
