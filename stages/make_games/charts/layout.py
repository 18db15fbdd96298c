"""Where the parts of a chart stand. It follows from the words, never from the values, so that both pictures agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from stages.make_games.charts.axis import Axis, axis_for, tick_texts
from stages.make_games.charts.chart import Chart
from stages.make_games.charts.labels import Labels, along, below, beside
from stages.make_games.charts.legend import Swatch, place_legend
from stages.make_games.charts.text import Font, number_width, shorten, widest, wrap
from stages.make_games.charts.times import along_time
from stages.make_games.charts.words import GAP, Box, Room, Words

TITLE, SMALL = 1.25, 0.9  # sizes, times the text's
TICK_ROOM = 7.0  # pixels from an axis to its words
END_NAMES = 0.28  # of the picture's width, at most, for names at the ends of lines
OUTSIDE = 0.27  # the same for names beside a pie, at each side
_LEAST_PLOT = 3.0  # of a plot's sides, times the text's height


@dataclass(frozen=True)
class Layout:
    """The plot's place, what is written around it and where, and its axis of values."""

    plot: Box
    words: tuple[Words, ...]
    swatches: tuple[Swatch, ...]
    labels: Labels
    axis: Axis
    names: tuple[str, ...] = ()  # as they are written at the ends of lines or beside a pie


@dataclass
class _Page:
    """What is placed so far, and the room that is left."""

    chart: Chart
    room: Room
    words: list[Words] = field(default_factory=list)

    def font(self, scale: float = 1.0, bold: bool = False) -> Font:
        return Font(self.chart.style.font, round(scale * self.chart.text, 1), bold)

    def check(self) -> None:
        """`NoRoom` unless there still is some for a plot."""
        self.room.check(_LEAST_PLOT * self.chart.text)


def lay_out(chart: Chart, labels: Sequence[str], names: Sequence[str]) -> Layout:
    """Place everything. `labels`: of the rows; `names`: of the series, or for a pie of its slices.

    `NoRoom` if the words leave none for a plot, or for one another.
    """
    pad = chart.text
    page = _Page(chart, Room(pad, pad, chart.width - pad, chart.height - pad))
    _place_title(page)
    _place_note(page)
    swatches: list[Swatch] = []
    if chart.naming == "legend":
        swatches, words = place_legend(page.room, names, page.font(), chart.style.legend, _align(chart))
        page.words += words
    page.check()
    if chart.kind == "pie":
        return _pie(page, names, swatches)
    return _lying(page, labels, swatches) if chart.horizontal else _upright(page, labels, names, swatches)


def _align(chart: Chart) -> str:
    return "left" if chart.style.title == "left" else "center"


def _place_title(page: _Page) -> None:
    if not page.chart.title:
        return
    font, room = page.font(TITLE, page.chart.style.bold_title), page.room
    align = _align(page.chart)
    x = room.left if align == "left" else page.chart.width / 2
    for line in wrap(page.chart.title, font, room.right - room.left, 2):
        page.words.append(Words(line, x, room.top - font.line / 2, font, align, strong=True))
        room.top -= font.line
    room.top -= GAP * font.size


def _place_note(page: _Page) -> None:
    if not page.chart.note:
        return
    font, room = page.font(SMALL), page.room
    text = shorten(page.chart.note, font, room.right - room.left)
    if page.chart.style.title == "left":
        page.words.append(Words(text, room.left, room.bottom + font.size / 2, font))
    else:
        page.words.append(Words(text, room.right, room.bottom + font.size / 2, font, "right"))
    room.bottom += font.line + GAP * font.size


def _upright(page: _Page, labels: Sequence[str], names: Sequence[str], swatches: list[Swatch]) -> Layout:
    chart, room, font = page.chart, page.room, page.font()
    written: list[str] = []
    if chart.naming == "ends":
        written = [shorten(name, font, END_NAMES * chart.width) for name in names]
        room.right -= widest(written, font) + GAP * font.size
    if chart.has_axis:
        room.top -= font.size / 2  # the uppermost number is half above the plot
        room.left += _measure_beside(page, chart.measure)
        # How many digits the numbers have depends little on the axis' length, which is not known yet.
        trial = axis_for(chart, room.top - room.bottom, font.line)
        room.left += widest(tick_texts(chart, trial.ticks), font) + TICK_ROOM
    page.check()
    slot = (room.right - room.left) / len(labels)
    if chart.kind == "line":
        shown = along(labels, along_time(labels), font, slot)
    else:
        shown = below(labels, font, slot, room.left, chart.height)
    if chart.heading:
        middle = (room.left + room.right) / 2
        text = shorten(chart.heading, font, room.right - room.left)
        page.words.append(Words(text, middle, room.bottom + font.size / 2, font, "center"))
        room.bottom += font.line
    room.bottom += shown.room + TICK_ROOM
    page.check()
    axis = axis_for(chart, room.top - room.bottom, font.line)
    return Layout(room.box, tuple(page.words), tuple(swatches), shown, axis, tuple(written))


def _measure_beside(page: _Page, measure: str) -> float:
    """Write what the values are, upward along the axis; returns the width that this takes."""
    font, room = page.font(), page.room
    if not measure:
        return 0.0
    lines = wrap(measure, font, 0.9 * (room.top - room.bottom), 2)
    for number, line in enumerate(lines):
        x = room.left + (number + 0.5) * font.line
        page.words.append(Words(line, x, (room.top + room.bottom) / 2, font, "center", upright=True))
    return len(lines) * font.line + 0.2 * font.size


def _lying(page: _Page, labels: Sequence[str], swatches: list[Swatch]) -> Layout:
    chart, room, font = page.chart, page.room, page.font()
    lines = ([chart.measure] if chart.measure else []) if chart.has_axis else []
    below_axis = (font.line + TICK_ROOM if chart.has_axis else 0.0) + len(lines) * font.line
    slot = (room.top - room.bottom - below_axis) / len(labels)
    shown = beside(labels, font, slot, chart.width)
    room.left += shown.room + TICK_ROOM
    for text in lines:
        cut = shorten(text, font, room.right - room.left)
        page.words.append(Words(cut, (room.left + room.right) / 2, room.bottom + font.size / 2, font, "center"))
    room.bottom += below_axis
    page.check()
    axis = axis_for(chart, room.right - room.left, number_width(chart.widest, font))
    if axis.ticks:
        room.right -= widest(tick_texts(chart, axis.ticks)[-1:], font) / 2
        page.check()
    return Layout(room.box, tuple(page.words), tuple(swatches), shown, axis)


def _pie(page: _Page, names: Sequence[str], swatches: list[Swatch]) -> Layout:
    """A pie in the middle of the room that is left; labels beside it take some of the width."""
    room, font = page.room, page.font()
    texts: list[str] = []
    if page.chart.naming == "outside":
        most = OUTSIDE * page.chart.width
        lines = [wrap(name, font, most, 2) for name in names]
        texts = ["\n".join(parts) for parts in lines]
        side = max(widest(parts, font) for parts in lines) + 1.5 * font.size
        room = Room(room.left + side, room.bottom + 2 * font.line, room.right - side, room.top - 2 * font.line)
    room.check(_LEAST_PLOT * page.chart.text)
    edge = min(room.right - room.left, room.top - room.bottom)
    middle_x, middle_y = (room.left + room.right) / 2, (room.bottom + room.top) / 2
    plot = Box(middle_x - edge / 2, middle_y - edge / 2, edge, edge)
    return Layout(plot, tuple(page.words), tuple(swatches), Labels(()), Axis(0.0, 1.0, ()), tuple(texts))
