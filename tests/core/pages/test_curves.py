"""Charts: what is drawn where, what hovering shows, and that everybody can read it."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.pages import environment
from stages.core.pages.curves import MAX_TOOLTIPS, Chart, Curve, figure
from stages.core.pages.page import BASE

Points = list[float | None]


def curve(name: str, values: Points, low: Points | None = None, high: Points | None = None) -> Curve:
    nothing: Points = [None] * len(values)
    points = zip(values, low or nothing, high or nothing, strict=True)
    return Curve(name, dict(enumerate(points, start=1)))


def chart(*curves: Curve, **more) -> Chart:
    last = max((round for one in curves for round in one.points), default=1)
    return Chart("Title", "share", curves, (1, last), **more)


def drawn(*curves: Curve, **more) -> ET.Element:
    return ET.fromstring(chart(*curves, **more).svg)


def paths(svg: ET.Element, mark: str) -> list[str]:
    """The shapes of all marks of a kind."""
    groups = [group for group in svg.iter("g") if f"mark-{mark} role-mark" in group.get("class", "")]
    return [path.get("d", "") for group in groups for path in group.iter("path") if path.get("d")]


def numbers(path: str) -> list[float]:
    return [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", path)]


def plot_height(svg: ET.Element) -> float:
    root = next(group for group in svg.iter("g") if "root" in group.get("class", ""))
    return numbers(next(root.iter("path")).get("d", ""))[3]


def tooltips(svg: ET.Element) -> list[str]:
    return [title.text or "" for title in svg.iter("title")]


def labels(svg: ET.Element) -> list[str]:
    return [text.text or "" for text in svg.iter("text")]


def test_a_gap_cuts_the_line():
    (line,) = paths(drawn(curve("a", [0.1, 0.2, None, 0.3, None, 0.5])), "line")
    assert [part.count("L") for part in line.split("M")[1:]] == [1, 0, 0]
    assert len(paths(drawn(curve("a", [0.1, 0.2, None, 0.3])), "symbol")) == 3


def test_a_point_is_at_its_value():
    svg = drawn(curve("a", [0.2, 0.8]), y_scale={"domain": [0, 1]})
    (line,) = paths(svg, "line")
    assert numbers(line)[1::2] == pytest.approx([0.8 * plot_height(svg), 0.2 * plot_height(svg)])
    assert labels(svg)[-6:] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]


def test_a_band_is_drawn_where_there_are_bounds():
    svg = drawn(curve("a", [0.3, 0.3, 0.4, 0.4], [0.1, 0.1, None, 0.2], [0.5, 0.5, None, 0.6]))
    (band,) = paths(svg, "area")
    assert [len(numbers(part)) // 2 for part in band.split("M")[1:]] == [4, 2]
    assert len(paths(svg, "line")) == 1


@pytest.mark.parametrize(
    "values", [[0.0], [0.5], [-3.0, -3.0], [1e-12] * 2, [1e6, 1e6], [1.0, 1 + 1e-15], [1e-9, 9e12]]
)
def test_extreme_values_stay_inside_the_plot(values: Points):
    svg = drawn(curve("a", values))
    (line,) = paths(svg, "line")
    assert all(0 <= y <= plot_height(svg) for y in numbers(line)[1::2])
    assert "nan" not in chart(curve("a", values)).svg.lower()


def test_ticks_are_short():
    assert labels(drawn(curve("a", [0.0, 4e-7])))[-4:] == ["1e-7", "2e-7", "3e-7", "4e-7"]
    assert labels(drawn(curve("a", [6000.0, 7100.0])))[-2:] == ["7,000", "7,200"]


def test_rounds_are_whole_numbers():
    assert [text for text in labels(drawn(curve("a", [0.5, 0.5], None))) if text][:2] == ["1", "2"]


def test_a_reference_and_clue_phases_are_drawn():
    svg = drawn(curve("a", [0.1, 0.2, 0.3]), reference=(0.25, "chance"), clue_phases=[(1.5, 2.5), (2.9, 3.5)])
    assert len(paths(svg, "rect")) == 2
    assert [line for line in svg.iter("line") if line.get("stroke-dasharray")]


def test_hovering_over_a_round_shows_the_values_of_all_curves():
    svg = drawn(curve("vote accuracy", [0.25, 0.5], [0.2, 0.4], [0.3, 0.6]), curve("N/A", [None, 0.125]))
    first, second = tooltips(svg)
    assert first == "round 1\nvote accuracy: 0.250 (0.200 to 0.300)"
    assert second == "round 2\nvote accuracy: 0.500 (0.400 to 0.600)\nN/A: 0.125"


def test_the_chart_of_a_long_run_stays_small():
    svg = drawn(curve("a", [math.sin(number / 50) for number in range(5000)]))
    assert len(tooltips(svg)) <= MAX_TOOLTIPS and not paths(svg, "symbol")
    assert len(numbers(paths(svg, "line")[0])) == 10000


def test_a_chart_is_described_in_words():
    svg = drawn(curve("vote accuracy", [0.25, None, 0.5]))
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == "Title: vote accuracy 0.250 (round 1) to 0.500 (round 3)"


@settings(max_examples=20, deadline=None)
@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=0xD7FF), max_size=60))
def test_names_are_only_text(name: str):
    svg = drawn(curve(name, [1.0]), curve("b", [2.0]))
    assert {element.tag for element in svg.iter()} <= {"svg", "g", "path", "line", "text", "title"}
    attributes = {key for element in svg.iter() for key in element.attrib}
    assert not {key for key in attributes if key.startswith("on") or key in {"style", "href"}}


def rendered(one: Chart) -> str:
    return environment(BASE, {}).get_template("charts.html.j2").render(chart=one)


def test_the_legend_names_curves_and_reference():
    both = curve("one", [0.1]), curve("two", [0.2])
    names = re.findall(r"<li>.*?</span> (.*?)</li>", rendered(chart(*both, reference=(0.25, "chance"))))
    assert names == ["one", "two", "chance"]
    assert "<li>" not in rendered(chart(both[0]))  # the title names a lone curve


def test_a_chart_without_values_says_so():
    for one in (chart(), chart(curve("a", [])), chart(curve("a", [None, None]))):
        assert "no data" in rendered(one) and "<svg" not in rendered(one)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0"), (3, "3"), (0.375, "0.375"), (-0.5, "-0.500"), (123.456, "123.456"), (6924, "6,924"),
     (3.914e-7, "3.91e-07"), (math.nan, "nan"), (None, "–"), ("clue", "clue")],
)  # fmt: skip
def test_figures_are_short(value: object, text: str):
    assert figure(value) == text


def palettes() -> dict[str, list[str]]:
    light, dark = (BASE / "charts.css").read_text().split("@media (prefers-color-scheme: dark)")
    found = [re.findall(r"--c\d: (#[0-9a-f]{6})", part) for part in (light, dark)]
    assert [len(colours) for colours in found] == [6, 6]
    return {"#ffffff": found[0], "#191d23": found[1]}  # by the colour of a card in base.css


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
