"""Curves as SVG text: round ticks, bands, gaps, a legend, tooltips. No JavaScript, no plotting library.

    chart("Loss", [Series("loss", x=[1, 2, 3], y=[0.3, None, 0.1])], x_label="round", y_label="loss")

The colours are in `style()`, for light and dark; a page holds it once, `standalone` puts it into a single picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from stages.report import axis
from stages.report.layout import WIDTH, Plot, fitted, legend_places, text_width
from stages.report.svg import number, tag, words

COLOURS = 6  # in chart.css; further series begin again, dashed
DOTS_SEEN = 45  # with more points the dots are seen only under the mouse …
DOTS_DRAWN = 240  # … and with still more not every point has one
TICKS_X, TICKS_Y = 7, 5

Shade = tuple[float, float, str]  # from, to, what it is


@dataclass(frozen=True)
class Series:
    """One curve. A None in `y` is a gap; `low` and `high` make a band around it (both or neither)."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    low: Sequence[float | None] | None = None
    high: Sequence[float | None] | None = None

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise ValueError(f"series '{self.name}': a band needs both low and high")
        for name, values in (("y", self.y), ("low", self.low), ("high", self.high)):
            if values is not None and len(values) != len(self.x):
                raise ValueError(f"series '{self.name}': {len(self.x)} x, but {len(values)} {name}")
        if any(value is None or not math.isfinite(value) for value in self.x):
            raise ValueError(f"series '{self.name}': x must be finite numbers")
        given = [value for values in (self.y, self.low or (), self.high or ()) for value in values if value is not None]
        if not all(math.isfinite(value) for value in given):
            raise ValueError(f"series '{self.name}': NaN and infinity cannot be drawn; give None for a gap")
        if any(low > high for low, high in self.bands().values()):
            raise ValueError(f"series '{self.name}': low is above high")

    def bands(self) -> dict[int, tuple[float, float]]:
        """(low, high) of each point that has both."""
        if self.low is None or self.high is None:
            return {}
        both = enumerate(zip(self.low, self.high, strict=True))
        return {place: (low, high) for place, (low, high) in both if low is not None and high is not None}

    def pieces(self) -> list[list[int]]:
        """The places of its points, cut at the gaps."""
        return _stretches([place for place, value in enumerate(self.y) if value is not None])


def chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    reference: float | None = None,
    reference_label: str | None = None,
    shaded: Sequence[Shade] = (),
) -> str:
    """An `<svg>` of the curves over common axes.

    `x_range` and `y_range` are the least that the axes span (they grow rather than cut a curve off); `reference` is a
    dashed horizontal line, named in the legend if it has a label; `shaded` are stretches of x, with one legend entry
    a name (an empty name has none).
    """
    entries = _legend_entries(series, reference_label if reference is not None else None, shaded)
    places = legend_places([name for _, name in entries])
    y_ticks = _y_ticks(series, y_range, reference)
    plot = _plot(series, x_range, shaded, y_ticks, rows=places[-1].row + 1 if places else 0)
    drawn = any(one.pieces() for one in series)
    parts = [
        tag("text", words(fitted(title, WIDTH - 16, 14)), class_="title", x=8, y=18),
        *(_legend_entry(sign, place.name, place.x, place.y) for (sign, _), place in zip(entries, places, strict=True)),
        *_shades(plot, shaded),
        *_y_axis(plot, y_ticks, y_label),
        *_x_axis(plot, series, x_label),
        *([_reference(plot, reference, reference_label)] if reference is not None else []),
        *(part for place, one in enumerate(series) for part in _band(plot, one, place)),
        *(part for place, one in enumerate(series) for part in _line(plot, one, place)),
        *(part for place, one in enumerate(series) for part in _dots(plot, one, place, x_label)),
    ]
    if not drawn:
        parts.append(tag("text", "no figures", class_="none", x=plot.middle_x, y=plot.middle_y))
    spoken = f"{title}: {_summary(series, x_label) if drawn else 'no figures'}"
    box = f"0 0 {WIDTH} {number(plot.height)}"
    return tag("svg", *parts, class_="vz-chart", viewBox=box, role="img", aria_label=spoken)


def style() -> str:
    """The CSS of the charts, light and dark."""
    return (Path(__file__).parent / "template" / "chart.css").read_text(encoding="utf-8")


def standalone(svg: str) -> str:
    """A chart as the content of an .svg file of its own."""
    head, _, rest = svg.partition(">")
    named = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return f"{named}><style>{style()}</style>{rest}\n"


def _plot(
    series: Sequence[Series],
    x_range: tuple[float, float] | None,
    shaded: Sequence[Shade],
    y_ticks: list[Decimal],
    rows: int,
) -> Plot:
    xs = [*(value for one in series for value in one.x), *(x_range or ())] or [0.0, 1.0]
    margin = (max(xs) - min(xs)) * 0.02 or 0.5
    left = min([min(xs) - margin, *(start for start, _, _ in shaded)])
    right = max([max(xs) + margin, *(end for _, end, _ in shaded)])
    widest = max(text_width(label, 11) for label in axis.labels(y_ticks))
    return Plot(widest, rows, (left, right), (float(y_ticks[0]), float(y_ticks[-1])))


def _y_ticks(series: Sequence[Series], y_range: tuple[float, float] | None, reference: float | None) -> list[Decimal]:
    values = [value for one in series for value in one.y if value is not None]
    values += [edge for one in series for band in one.bands().values() for edge in band]
    values += [*(y_range or ()), *([] if reference is None else [reference])]
    low, high = axis.widened(min(values, default=0.0), max(values, default=1.0))
    return axis.ticks(low, high, TICKS_Y, outward=True)


def _y_axis(plot: Plot, ticks: list[Decimal], label: str) -> Iterator[str]:
    for tick, name in zip(ticks, axis.labels(ticks), strict=True):
        y = plot.y(float(tick))
        yield tag("line", class_="grid", x1=plot.left, x2=plot.right, y1=y, y2=y)
        yield tag("text", words(name), class_="tick y", x=plot.left - 7, y=y + 4)
    turn = f"rotate(-90 14 {number(plot.middle_y)})"
    yield tag("text", words(label), class_="label", x=14, y=plot.middle_y, transform=turn)


def _x_axis(plot: Plot, series: Sequence[Series], label: str) -> Iterator[str]:
    whole = all(value == int(value) for one in series for value in one.x)
    yield tag("line", class_="axis", x1=plot.left, x2=plot.right, y1=plot.bottom, y2=plot.bottom)
    ticks = axis.ticks(*plot.x_range, TICKS_X, outward=False, whole=whole)
    for tick, name in zip(ticks, axis.labels(ticks) if ticks else [], strict=True):
        x = plot.x(float(tick))
        yield tag("line", class_="axis", x1=x, x2=x, y1=plot.bottom, y2=plot.bottom + 4)
        yield tag("text", words(name), class_="tick", x=x, y=plot.bottom + 17)
    yield tag("text", words(label), class_="label", x=plot.middle_x, y=plot.bottom + 33)


def _shades(plot: Plot, shaded: Sequence[Shade]) -> Iterator[str]:
    for start, end, name in shaded:
        x, width = plot.x(start), plot.x(end) - plot.x(start)
        tip = [tag("title", words(name))] if name else []
        yield tag("rect", *tip, class_="shade", x=x, y=plot.top, width=width, height=plot.bottom - plot.top)


def _reference(plot: Plot, value: float, name: str | None) -> str:
    y = plot.y(value)
    tip = f"{name or 'reference'}: {axis.short(value)}"
    return tag("line", tag("title", words(tip)), class_="reference", x1=plot.left, x2=plot.right, y1=y, y2=y)


def _band(plot: Plot, one: Series, place: int) -> Iterator[str]:
    bands = one.bands()
    for inside in _stretches([point for point in bands if one.y[point] is not None]):
        if len(inside) == 1:  # a lone point has no width: its band is a bar
            x, (low, high) = plot.x(one.x[inside[0]]), bands[inside[0]]
            yield tag("path", class_=f"bar {_colour(place)}", d=_path([(x, plot.y(low)), (x, plot.y(high))]))
        else:
            upper = [(plot.x(one.x[point]), plot.y(bands[point][1])) for point in inside]
            lower = [(plot.x(one.x[point]), plot.y(bands[point][0])) for point in reversed(inside)]
            yield tag("path", class_=f"band {_colour(place)}", d=f"{_path(upper + lower)}Z")


def _stretches(places: Sequence[int]) -> list[list[int]]:
    """The places cut wherever one is missing."""
    stretches: list[list[int]] = []
    for place in places:
        if stretches and stretches[-1][-1] == place - 1:
            stretches[-1].append(place)
        else:
            stretches.append([place])
    return stretches


def _line(plot: Plot, one: Series, place: int) -> Iterator[str]:
    for piece in one.pieces():
        if len(piece) > 1:
            points = [(plot.x(one.x[point]), plot.y(one.y[point] or 0.0)) for point in piece]
            yield tag("path", class_=f"line {_colour(place)}", d=_path(points))


def _dots(plot: Plot, one: Series, place: int, x_label: str) -> Iterator[str]:
    bands, pieces = one.bands(), one.pieces()
    count = sum(map(len, pieces))
    stride = math.ceil(count / DOTS_DRAWN) or 1
    for piece in pieces:
        seen = count <= DOTS_SEEN or len(piece) == 1
        for point in piece[::stride]:
            value = one.y[point] or 0.0
            tip = f"{one.name}: {axis.short(value)}"
            if point in bands:
                tip += f" ({axis.short(bands[point][0])} to {axis.short(bands[point][1])})"
            tip += f"\n{x_label} {axis.short(one.x[point])}"
            d = _marker(place, plot.x(one.x[point]), plot.y(value))
            kind = f"dot {_colour(place)}" if seen else f"dot faint {_colour(place)}"
            yield tag("path", tag("title", words(tip)), class_=kind, d=d)


def _legend_entries(series: Sequence[Series], reference: str | None, shaded: Sequence[Shade]) -> list[tuple[str, str]]:
    """(sign, name) of each; a lone curve is named by the title."""
    entries = [(str(place), one.name) for place, one in enumerate(series)] if len(series) > 1 else []
    entries += [("reference", reference)] if reference else []
    return entries + [("shade", name) for name in dict.fromkeys(name for _, _, name in shaded) if name]


def _legend_entry(sign: str, name: str, x: float, y: float) -> str:
    if sign == "shade":
        swatch = tag("rect", class_="shade key", x=x + 2, y=y - 10, width=16, height=12)
    elif sign == "reference":
        swatch = tag("line", class_="reference", x1=x, x2=x + 20, y1=y - 4, y2=y - 4)
    else:
        line = _path([(x, y - 4), (x + 20, y - 4)])
        swatch = tag("path", class_=f"line {_colour(int(sign))}", d=line)
        swatch += tag("path", class_=f"dot key {_colour(int(sign))}", d=_marker(int(sign), x + 10, y - 4))
    return swatch + tag("text", words(name), class_="name", x=x + 26, y=y)


def _summary(series: Sequence[Series], x_label: str) -> str:
    said = []
    for one in series:
        points = [(x, y) for x, y in zip(one.x, one.y, strict=True) if y is not None]
        if points:
            (first, at_first), (last, at_last) = points[0], points[-1]
            said.append(
                f"{one.name} from {axis.short(at_first)} ({x_label} {axis.short(first)}) "
                f"to {axis.short(at_last)} ({x_label} {axis.short(last)})"
            )
    return "; ".join(said)


def _colour(place: int) -> str:
    return f"c{place % COLOURS}" if place < COLOURS else f"c{place % COLOURS} dashed"


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def _marker(place: int, x: float, y: float) -> str:
    """A circle, square, diamond or triangle, so that curves differ by more than their colour."""
    kind = place % 4
    if kind == 0:
        return f"M{number(x - 2.6)} {number(y)}a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0 -5.2 0Z"
    if kind == 1:
        return f"M{number(x - 2.4)} {number(y - 2.4)}h4.8v4.8h-4.8Z"
    if kind == 2:
        return f"M{number(x)} {number(y - 3.4)}l3.4 3.4l-3.4 3.4l-3.4 -3.4Z"
    return f"M{number(x)} {number(y - 3.2)}l3.2 5.6h-6.4Z"
