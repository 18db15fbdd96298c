"""Charts: what is drawn, where, and that anybody can read it."""

import itertools
import math
import re
import xml.etree.ElementTree as ET
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.report import axis
from stages.report.curves import Series, chart, standalone, style

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*series: Series, **options) -> ET.Element:
    options = {"x_label": "round", "y_label": "share", **options}
    return ET.fromstring(standalone(chart("Title", series, **options)))


def having(svg: ET.Element, kind: str) -> list[ET.Element]:
    return [element for element in svg.iter() if kind in element.get("class", "").split()]


def numbers(path: ET.Element) -> list[float]:
    return [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", path.get("d"))]


def texts(svg: ET.Element, kind: str) -> list[str]:
    return ["".join(element.itertext()) for element in having(svg, kind)]


def dots(svg: ET.Element) -> list[ET.Element]:
    return [dot for dot in having(svg, "dot") if "key" not in dot.get("class").split()]


def test_a_gap_cuts_the_line():
    svg = drawn(Series("a", range(6), [0.1, 0.2, None, 0.3, None, 0.5]))
    assert [len(numbers(line)) // 2 for line in having(svg, "line")] == [2]  # the lone points are dots only
    assert len(dots(svg)) == 4


def test_a_point_stands_at_its_value():
    """Ticks are places of known value: a curve through the values of two ticks runs through their grid lines."""
    svg = drawn(Series("a", [10, 20], [0.2, 0.8]), y_range=(0, 1))
    lines = dict(zip(texts(svg, "y"), [float(line.get("y1")) for line in having(svg, "grid")], strict=True))
    assert numbers(having(svg, "line")[0])[1::2] == [lines["0.2"], lines["0.8"]]
    ticks = [element for element in having(svg, "tick") if element.text in {"10", "20"}]
    assert numbers(having(svg, "line")[0])[::2] == [float(tick.get("x")) for tick in ticks]


def test_a_band_is_drawn_where_there_are_bounds_only():
    low, high = [0.1, 0.1, None, 0.2, 0.3], [0.5, 0.5, None, 0.6, 0.7]
    svg = drawn(Series("a", range(5), [0.3, 0.3, 0.4, 0.4, 0.5], low, high))
    assert [len(numbers(band)) // 2 for band in having(svg, "band")] == [4, 4] and len(having(svg, "line")) == 1
    y_of = {line.get("y1"): name for name, line in zip(texts(svg, "y"), having(svg, "grid"), strict=True)}
    upper, lower = numbers(having(svg, "band")[1])[1], numbers(having(svg, "band")[1])[-1]
    assert upper < lower and y_of[f"{lower:.1f}".removesuffix(".0")] == "0.2"


def test_a_gap_cuts_the_band_as_well():
    svg = drawn(Series("a", range(5), [0.3, 0.3, None, 0.4, 0.5], [0.1] * 5, [0.9] * 5))
    assert [len(numbers(band)) // 2 for band in having(svg, "band")] == [4, 4]


def test_a_lone_point_has_a_bar_for_a_band():
    svg = drawn(Series("a", [3], [0.4], [0.3], [0.5]))
    assert len(having(svg, "bar")) == 1 and not having(svg, "band") and not having(svg, "line")


@pytest.mark.parametrize("values", [[0.0], [0.5], [0.0, 0.0], [-3.0, -3.0], [1e-12] * 2, [1e6, 1e6], [1.0, 1 + 1e-15]])
def test_constant_values_and_one_point_are_inside_the_field(values: list[float]):
    svg = drawn(Series("a", range(len(values)), values))
    lines = [float(line.get("y1")) for line in having(svg, "grid")]
    assert len(lines) >= 2 and len(dots(svg)) == len(values)
    for dot in dots(svg):
        assert min(lines) - 4 < numbers(dot)[1] < max(lines) + 4
    assert "nan" not in ET.tostring(svg, encoding="unicode").lower()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("where", ["x", "y", "low", "high"])
def test_what_is_not_finite_is_refused(bad: float, where: str):
    given_values = {"x": [1.0, 2.0], "y": [1.0, 1.0], "low": [0.0, 0.0], "high": [2.0, 2.0]}
    with pytest.raises(ValueError, match="series 'a'"):
        Series("a", **{**given_values, where: [1.0, bad]})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"y": [1.0]}, "2 x, but 1 y"),
        ({"y": [1.0, 1.0], "low": [0.0, 0.0]}, "both low and high"),
        ({"y": [1.0, 1.0], "low": [0.0], "high": [1.0, 1.0]}, "2 x, but 1 low"),
        ({"y": [1.0, 1.0], "low": [0.0, 2.0], "high": [1.0, 1.0]}, "low is above high"),
    ],
)
def test_a_series_that_does_not_fit_is_refused(values: dict, message: str):
    with pytest.raises(ValueError, match=message):
        Series("a", [1, 2], **values)


def test_no_values_are_said_to_be_none():
    for svg in (drawn(), drawn(Series("a", [], [])), drawn(Series("a", [1, 2], [None, None]))):
        assert texts(svg, "none") == ["no figures"] and svg.get("aria-label") == "Title: no figures"


def test_a_range_grows_rather_than_cut_a_curve():
    svg = drawn(Series("a", [1, 2], [0.5, 1.7]), y_range=(0, 1), x_range=(0, 8))
    assert texts(svg, "y")[0] == "0.0" and float(texts(svg, "y")[-1]) >= 1.7
    assert {"0", "8"} <= {name for name in texts(svg, "tick") if name not in texts(svg, "y")}


def test_the_legend_names_curves_reference_and_shade_once():
    both = (Series("one", [1, 2], [0.1, 0.2]), Series("two", [1, 2], [0.2, 0.3]))
    shaded = [(0.5, 1.5, "clue phase"), (1.7, 1.9, "clue phase")]
    svg = drawn(*both, reference=0.25, reference_label="chance", shaded=shaded)
    assert texts(svg, "name") == ["one", "two", "chance", "clue phase"]
    assert len([rect for rect in having(svg, "shade") if "key" not in rect.get("class").split()]) == 2
    assert texts(drawn(both[0]), "name") == []  # the title says what a lone curve is


def test_each_point_says_its_figures():
    svg = drawn(Series("votes", [1, 2], [0.25, 0.5], [0.2, 0.4], [0.3, 0.6]))
    tips = [dot.find(f"{SVG}title").text for dot in dots(svg)]
    assert tips == ["votes: 0.250 (0.200 to 0.300)\nround 1", "votes: 0.500 (0.400 to 0.600)\nround 2"]


def test_a_long_run_stays_small():
    many = list(range(5000))
    svg = drawn(Series("a", many, [math.sin(value / 50) for value in many]))
    assert len(dots(svg)) <= 240 and len(numbers(having(svg, "line")[0])) == 10000


def test_a_chart_is_a_picture_with_words_for_who_cannot_see_it():
    svg = drawn(Series("votes", [1, 9], [0.25, 0.5]))
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == "Title: votes from 0.250 (round 1) to 0.500 (round 9)"


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=0xD7FF), max_size=90))
def test_names_stay_names(name: str):
    both = [Series(name, [1], [1]), Series("b", [1], [2])]
    text = chart(name, both, x_label=name, y_label=name, shaded=[(0, 1, name)])
    svg = ET.fromstring(standalone(text))
    assert {element.tag for element in svg.iter()} <= {f"{SVG}{tag}" for tag in ("svg", "style", "text", "path", "line", "rect", "title")}  # fmt: skip
    assert texts(svg, "label") == [name, name]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.0, 0.183, ["0.00", "0.05", "0.10", "0.15", "0.20"]),
        (-0.48, 0.4, ["−0.6", "−0.4", "−0.2", "0.0", "0.2", "0.4"]),
        (0, 768, ["0", "200", "400", "600", "800"]),
        (6000, 7100, ["6,000", "6,250", "6,500", "6,750", "7,000", "7,250"]),
        (0, 3e-7, ["0", "1e−7", "2e−7", "3e−7"]),
        (0, 4.4e6, ["0", "1e6", "2e6", "3e6", "4e6", "5e6"]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[str]):
    assert axis.labels(axis.ticks(low, high, 5, outward=True)) == expected


values = st.floats(-1e9, 1e9, allow_nan=False).map(lambda value: value if abs(value) > 1e-9 else 0.0)


@given(values, values)
def test_ticks_enclose_the_values_evenly_and_say_what_they_are(one: float, other: float):
    low, high = axis.widened(*sorted((one, other)))
    found = axis.ticks(low, high, 5, outward=True)
    steps = {after - before for before, after in itertools.pairwise(found)}
    assert found[0] <= Decimal(repr(low)) and found[-1] >= Decimal(repr(high)) and 2 <= len(found) <= 8
    assert len(steps) == 1 and steps.pop().normalize().as_tuple().digits in {(1,), (2,), (2, 5), (5,)}
    assert [Decimal(label.replace("−", "-").replace(",", "")) for label in axis.labels(found)] == found


@given(st.integers(0, 500), st.integers(1, 500))
def test_rounds_are_whole(first: int, count: int):
    found = axis.ticks(first - 0.5, first + count - 0.5, 7, outward=False, whole=True)
    assert 1 <= len(found) <= 9 and all(tick == int(tick) and first <= tick < first + count for tick in found)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (3.0, "3"), (0.375, "0.375"), (-0.5, "−0.500"), (123.456, "123.5"), (6924, "6,924"), (3.914e-7, "3.91e−7"),
     (1234567.0, "1.23e6"), (math.nan, "nan")],
)  # fmt: skip
def test_figures_are_short(value: float, text: str):
    assert axis.short(value) == text


def palettes() -> dict[str, list[str]]:
    light, dark = style().split("@media (prefers-color-scheme: dark)")
    found = [re.findall(r"--c\d: (#[0-9a-f]{6})", part) for part in (light, dark)]
    assert [len(colours) for colours in found] == [6, 6]
    return {"#ffffff": found[0], "#191d23": found[1]}  # by the cards of page.css


def linear(colour: str) -> list[float]:
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]


def times(matrix: list[list[float]], vector: list[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


@pytest.mark.parametrize("card", ["#ffffff", "#191d23"])
def test_colours_stand_out_from_the_page(card: str):
    """WCAG 2 asks for a contrast of 3 where a graphic has to be understood."""
    luminance = [sum(a * b for a, b in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) for c in [card, *palettes()[card]]]  # fmt: skip
    for one in luminance[1:]:
        low, high = sorted((luminance[0], one))
        assert (high + 0.05) / (low + 0.05) >= 3


# Machado, Oliveira and Fernandes 2009, severity 1.0: how a linear RGB colour looks without one kind of cone.
SEEN_BY = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def lab(rgb: list[float]) -> list[float]:
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    shares = [a / b for a, b in zip(times(to_xyz, [min(1, max(0, v)) for v in rgb]), (0.9505, 1, 1.089), strict=True)]
    x, y, z = (share ** (1 / 3) if share > 0.008856 else 7.787 * share + 16 / 116 for share in shares)
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)]


@pytest.mark.parametrize("eyes", SEEN_BY)
@pytest.mark.parametrize("card", ["#ffffff", "#191d23"])
def test_colours_differ_for_all_eyes(card: str, eyes: str):
    """A distance of 2.3 in Lab is just noticeable; thin lines need several times that."""
    seen = [lab(times(SEEN_BY[eyes], linear(colour))) for colour in palettes()[card]]
    assert min(math.dist(one, other) for one, other in itertools.combinations(seen, 2)) > 18
